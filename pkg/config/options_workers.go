package config

import (
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// workerOptions are about the processes that serve, and those beside them.
func workerOptions() table[Vassal] {
	const g = "Workers"
	rows := table[Vassal]{
		{name: "attach-control-daemon", group: g, arg: "COMMAND", repeat: true, help: "run a program beside the workers; the vassal ends when it does", set: attach(Daemon{Control: true})},
		{name: "attach-daemon", group: g, arg: "COMMAND", repeat: true, help: "run a program beside the workers, again when it dies", set: attach(Daemon{})},
		{name: "attach-daemon2", group: g, arg: "KEY=VALUE,…", repeat: true, help: "as attach-daemon: cmd, pidfile, freq, control, daemonize, touch, stopsignal, reloadsignal, chdir, stdin, max_throttle, uid, gid", set: attachKeyed},
		{name: "cheap", group: g, help: "start workers on the first connection", set: yes(func(v *Vassal) *bool { return &v.Idle.Cheap })},
		{name: "die-on-idle", group: g, help: "end the vassal when it is idle", set: yes(func(v *Vassal) *bool { return &v.Idle.Die })},
		{
			name: "die-on-term", group: g, def: "true", help: "SIGTERM stops; off: it reloads, as uWSGI 2.0 does by default",
			set: func(v *Vassal, t value) error { v.Workers.ReloadOnTerm = !parseBool(t.text); return nil },
		},
		{name: "exit-on-reload", group: g, help: "end instead of reloading", set: yes(func(v *Vassal) *bool { return &v.Triggers.Exit })},
		{
			name: "forkbomb-delay", group: g, arg: "TIME", def: "2", help: "least pause after a worker that died at once",
			set: duration(func(v *Vassal) *time.Duration { return &v.Workers.ForkbombDelay }),
		},
		{
			name: "fs-reload", group: g, arg: "PATH", repeat: true, help: "reload when the file, or anything in the directory, changes",
			set: list(func(v *Vassal) *[]string { return &v.Triggers.Trees }),
		},
		{name: "idle", group: g, arg: "TIME", help: "stop the workers when nothing happens for so long", set: duration(func(v *Vassal) *time.Duration { return &v.Idle.After })},
		{name: "max-worker-lifetime", group: g, arg: "TIME", help: "replace a worker at this age", set: duration(func(v *Vassal) *time.Duration { return &v.Triggers.MaxLifetime })},
		{name: "max-worker-lifetime-delta", group: g, arg: "TIME", help: "add this for each further worker", set: duration(func(v *Vassal) *time.Duration { return &v.Triggers.Delta })},
		{name: "min-worker-lifetime", group: g, arg: "TIME", def: "60", help: "age before which limits replace no worker", set: duration(func(v *Vassal) *time.Duration { return &v.Triggers.MinLifetime })},
		{name: "notify-ready", group: g, help: "a worker, or the program that takes the vassal's place, is ready when it says READY=1 to NOTIFY_SOCKET", set: yes(func(v *Vassal) *bool { return &v.Ready.Notify })},
		{name: "processes", aliases: []string{"workers"}, group: g, arg: "N", def: "1", help: "how many workers share the sockets", set: setProcesses},
		{name: "ready-probe", group: g, arg: "PROBE", help: "a worker, or the program that takes the vassal's place, is ready when tcp:ADDRESS accepts, http://ADDRESS/PATH answers 2xx or 3xx, or exec:COMMAND exits with 0", set: setProbe},
		{name: "ready-timeout", group: g, arg: "TIME", def: "60", help: "how long a new worker, or that program, may take to be ready", set: positive(func(v *Vassal) *time.Duration { return &v.Ready.Timeout })},
		{name: "reload-on-rss", group: g, arg: "MB", help: "replace a worker whose memory grows above this", set: setReloadOnRSS},
		{name: "smart-attach-daemon", group: g, arg: "PIDFILE COMMAND", repeat: true, help: "start a program that puts itself into the background, unless it runs", set: attachSmart(false)},
		{name: "smart-attach-daemon2", group: g, arg: "PIDFILE COMMAND", repeat: true, help: "start a program in the background, unless it runs", set: attachSmart(true)},
		{name: "stop-signal", group: g, arg: "SIGNAL", def: "TERM", help: "what asks a worker to finish", set: func(v *Vassal, t value) (err error) {
			v.Workers.StopSignal, err = parseSignal(t.text)
			return err
		}},
		{
			name: "touch-chain-reload", group: g, arg: "FILE", repeat: true, help: "replace one worker after the other when the file changes",
			set: list(func(v *Vassal) *[]string { return &v.Triggers.Chain }),
		},
		{name: "touch-reload", group: g, arg: "FILE", repeat: true, help: "reload when the file changes", set: list(func(v *Vassal) *[]string { return &v.Triggers.Touch })},
		{name: "worker-exec", group: g, arg: "PROGRAM ARGS…", help: "run this program with the first socket as standard input", set: setWorkerExec(false)},
		{name: "worker-exec2", group: g, arg: "PROGRAM ARGS…", help: "as worker-exec, after the post-fork hooks", set: setWorkerExec(true)},
		{
			name: "worker-reload-mercy", group: g, arg: "TIME", def: "reload-mercy", help: "time between asking a worker to stop and killing it",
			set: duration(func(v *Vassal) *time.Duration { return &v.Workers.Mercy }),
		},
	}
	return reloadable(rows)
}

func list[T any](field func(*T) *[]string) func(*T, value) error {
	return func(t *T, v value) error {
		*field(t) = append(*field(t), v.text)
		return nonempty(v.text, "no value given")
	}
}

func setProcesses(v *Vassal, t value) error {
	n, err := strconv.Atoi(t.text)
	if err != nil || n < 1 || n > 1024 {
		return hinted{strconv.Quote(t.text) + " is not a number of workers", "1 to 1024"}
	}
	v.Workers.Processes = n
	return nil
}

func setReloadOnRSS(v *Vassal, t value) error {
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64>>20 {
		return hinted{strconv.Quote(t.text) + " is not an amount of memory", "megabytes, such as 256"}
	}
	v.Triggers.RSS = n << 20
	return nil
}

func setWorkerExec(hooks bool) func(*Vassal, value) error {
	return func(v *Vassal, t value) (err error) {
		v.Workers.ExecHooks = hooks
		v.Workers.Exec, err = parseWords(t.text)
		return err
	}
}

// parseSignal reads a number, or a name with or without SIG.
func parseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= 64 {
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	return 0, hinted{strconv.Quote(s) + " is not a signal", "such as TERM or 15"}
}

// probeForms are what a probe looks like, for hints.
const probeForms = "tcp:ADDRESS, http://ADDRESS/PATH or exec:COMMAND"

func setProbe(v *Vassal, t value) (err error) {
	kind, rest, ok := strings.Cut(t.text, ":")
	p := Probe{Kind: kind}
	if kind != "exec" {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "http:"), "//") // of http:URL, and of what looks like a URL
	}
	switch {
	case !ok || rest == "":
		err = hinted{strconv.Quote(t.text) + " is not a probe", probeForms}
	case kind == "exec":
		p.Command, err = parseWords(rest)
	case kind == "tcp":
		p.Address = rest
		err = checkAddress(p.Address, false)
	case kind == "http":
		address, path, _ := strings.Cut(rest, "/")
		if !strings.Contains(address, ":") {
			address += ":80"
		}
		p.Address, p.Path = address, "/"+path
		err = checkAddress(p.Address, false)
	default:
		err = hinted{"unknown kind of probe " + strconv.Quote(kind), probeForms}
	}
	v.Ready.Probe = p
	return err
}
