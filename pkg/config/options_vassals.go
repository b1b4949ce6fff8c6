package config

import (
	"strconv"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// vassalsOptions say how the emperor starts, restarts and stops vassals.
func vassalsOptions() table[Emperor] {
	return table[Emperor]{
		{
			name: "emperor-backoff", group: "Vassals", arg: "TIME", def: "500ms", help: "pause after a vassal's first failure; doubles with each",
			set: positive(func(e *Emperor) *time.Duration { return &e.Backoff }),
		},
		{
			name: "emperor-backoff-max", group: "Vassals", arg: "TIME", def: "30", help: "longest pause between two launches of a vassal; without it a longer emperor-backoff counts",
			set: positive(func(e *Emperor) *time.Duration { return &e.BackoffMax }),
		},
		{
			name: "emperor-backoff-reset", group: "Vassals", arg: "TIME", def: "10", help: "how long a vassal must run for its failures to be forgotten",
			set: positive(func(e *Emperor) *time.Duration { return &e.BackoffReset }),
		},
		{name: "emperor-concurrency", group: "Vassals", arg: "N", def: "2 x CPUs", help: "how many vassals are launched at a time", set: setConcurrency},
		{
			name: "emperor-release", group: "Vassals", arg: "WHEN", def: "hooks",
			help: "when a vassal boots: after the as-emperor hooks (hooks) or beside them (early)", set: setRelease,
		},
		{name: "emperor-use-clone", group: "Vassals", arg: "LIST", guard: true, help: "new namespaces of each vassal: pid,uts,net,ipc,fs,user,cgroup,time", set: setClone},
		{
			name: "emperor-vassal", group: "Vassals", arg: "PATH", def: "beside the emperor", help: "the vassal program",
			set: func(e *Emperor, v value) error { e.VassalProgram = v.text; return nil },
		},
		{
			name: "reload-mercy", group: "Vassals", arg: "TIME", def: "60", help: "time between asking a vassal to stop and killing it",
			set: duration(func(e *Emperor) *time.Duration { return &e.ReloadMercy }),
		},
	}
}

func setConcurrency(e *Emperor, v value) error {
	n, err := strconv.Atoi(v.text)
	if err != nil || n < 1 {
		return hinted{strconv.Quote(v.text) + " is not a number of vassals", "1 or more"}
	}
	e.Concurrency = n
	return nil
}

func setRelease(e *Emperor, v value) error {
	switch v.text {
	case "hooks", "early":
		e.EarlyRelease = v.text == "early"
		return nil
	}
	return hinted{"unknown time " + strconv.Quote(v.text), "hooks or early"}
}

func setClone(e *Emperor, v value) (err error) {
	e.Clone, err = namespaces.ParseFlags(v.text)
	return err
}
