package config

import (
	"errors"
	"strconv"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// vassalsOptions control how the emperor starts, restarts and stops vassals.
var vassalsOptions = option.Rows[Emperor]{
	{
		Name: "emperor-backoff", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "500ms", Help: "pause after a vassal's first failure; doubles with each",
		Into: func(e *Emperor) option.Field { return (*option.Positive)(&e.Backoff) },
	},
	{
		Name: "emperor-backoff-max", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "30",
		Help: "longest pause between two launches of a vassal; without it a longer emperor-backoff counts",
		Into: func(e *Emperor) option.Field { return (*option.Positive)(&e.BackoffMax) },
	},
	{
		Name: "emperor-backoff-reset", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "10",
		Help: "how long a vassal must run for its failures to be forgotten",
		Into: func(e *Emperor) option.Field { return (*option.Positive)(&e.BackoffReset) },
	},
	{
		Name: "emperor-concurrency", Change: option.Reload, Group: "Vassals", Arg: "N", Def: "2 x CPUs", Help: "how many vassals are launched at a time",
		Set: func(e *Emperor, v option.Value) error { return setVassals(&e.Concurrency, v) },
	},
	{
		Name: "emperor-release", Change: option.Reload, Group: "Vassals", Arg: "WHEN", Def: "hooks",
		Help: "when a vassal boots: after the as-emperor hooks (hooks) or beside them (early)", Set: setRelease,
	},
	{
		Name: "emperor-use-clone", Group: "Vassals", Arg: "LIST", Guard: true,
		Help: "new namespaces of each vassal: pid,uts,net,ipc,fs,user,cgroup,time; user needs emperor-id-range, or user=identity", Set: setClone,
	},
	{
		Name: "emperor-vassal", Group: "Vassals", Arg: "PATH", Def: "beside the emperor", Help: "the vassal program",
		Set: func(e *Emperor, v option.Value) error { e.VassalProgram = v.Text; return nil },
	},
	{
		Name: "reload-mercy", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "60", Help: "time between asking a vassal to stop and killing it",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.ReloadMercy) },
	},
}

// setVassals sets a number of vassals.
func setVassals(into *int, v option.Value) error {
	n, err := strconv.Atoi(v.Text)
	if err != nil || n < 1 {
		return option.Wrong(strconv.Quote(v.Text)+" is not a number of vassals", "1 or more")
	}
	*into = n
	return nil
}

func setRelease(e *Emperor, v option.Value) error {
	return either(&e.EarlyRelease, v.Text, "time", "hooks", "early")
}

func parseClone(into *namespaces.Flags, text string) (err error) {
	*into, err = namespaces.ParseFlags(text)
	if unknown, ok := errors.AsType[*namespaces.UnknownFlagError](err); ok {
		return option.Unknown("namespace", unknown.Word, unknown.Known...)
	}
	return err
}
