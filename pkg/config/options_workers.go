package config

import (
	"math"
	"strconv"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// workerOptions configure the processes that serve, and the daemons beside them.
var workerOptions = option.Rows[Vassal]{
	{
		Name: "attach-control-daemon", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "COMMAND", Repeat: true,
		Help: "run a program beside the workers; the vassal ends when it does", Misreads: misreadDaemon, Set: attachControlDaemon,
	},
	{
		Name: "attach-daemon", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "COMMAND", Repeat: true,
		Help: "run a program beside the workers, again when it dies", Misreads: misreadDaemon, Set: attachDaemon,
	},
	{
		Name: "attach-daemon2", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "KEY=VALUE,…", Repeat: true,
		Help:     "as attach-daemon: cmd, pidfile, freq, control, daemonize, touch, stopsignal, reloadsignal, chdir, stdin, max_throttle, uid, gid",
		Misreads: misreadKeyed, Set: attachKeyed,
	},
	{
		Name: "cheap", Group: "Workers", Tyrant: true, Change: option.Reload, Help: "start workers on the first connection",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Idle.Cheap) },
	},
	{
		Name: "die-on-idle", Group: "Workers", Tyrant: true, Change: option.Reload, Help: "end the vassal when it is idle",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Idle.Die) },
	},
	{
		Name: "die-on-term", Group: "Workers", Tyrant: true, Change: option.Reload, Def: "true", Help: "SIGTERM stops; off: it reloads, as uWSGI 2.0 does by default",
		Set: func(v *Vassal, t option.Value) error { v.Workers.ReloadOnTerm = !option.ParseBool(t.Text); return nil },
	},
	{
		Name: "exit-on-reload", Group: "Workers", Tyrant: true, Change: option.Reload,
		Help: "end instead of reloading, also for the edit that brings it", Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Triggers.Exit) },
	},
	{
		Name: "forkbomb-delay", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME", Def: "2", Help: "least pause after a worker that died at once",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.Workers.ForkbombDelay) },
	},
	{
		Name: "fs-reload", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "PATH", Repeat: true,
		Help: "reload when the file, or anything in the directory, changes",
		Into: func(v *Vassal) option.Field { return (*option.List)(&v.Triggers.Trees) },
	},
	{
		Name: "idle", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME",
		Help: "stop the workers when nothing happens for so long", Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.Idle.After) },
	},
	{
		Name: "limit-as", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "MB",
		Help: "bound of the address space of each program (RLIMIT_AS); 0: none. The built-in server has no bound",
		Set: func(v *Vassal, t option.Value) error {
			return setLimit(&v.Limits.AddressSpace, t, 1<<20, "megabytes", "such as 512")
		},
	},
	{
		Name: "limit-nproc", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "N",
		Help: "bound of the processes of the vassal's user, for its programs (RLIMIT_NPROC); 0: none",
		Set: func(v *Vassal, t option.Value) error {
			return setLimit(&v.Limits.Processes, t, 1, "processes", "such as 64")
		},
	},
	{
		Name: "max-worker-lifetime", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME", Help: "replace a worker at this age",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.Triggers.MaxLifetime) },
	},
	{
		Name: "max-worker-lifetime-delta", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME",
		Help: "add this for each further worker", Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.Triggers.Delta) },
	},
	{
		Name: "min-worker-lifetime", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME", Def: "60",
		Help: "age before which limits replace no worker", Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.Triggers.MinLifetime) },
	},
	{
		Name: "notify-ready", Group: "Workers", Tyrant: true, Change: option.Reload,
		Help: "a worker, or the program that takes the vassal's place, is ready when it sends READY=1 to NOTIFY_SOCKET",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Ready.Notify) },
	},
	{
		Name: "processes", Aliases: []string{"workers"}, Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "N", Def: "1",
		Help: "how many workers share the sockets", Set: setProcesses,
	},
	{
		Name: "ready-probe", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "PROBE",
		Help: "a worker, or the program that takes the vassal's place, is ready when tcp:ADDRESS accepts, http://ADDRESS/PATH answers 2xx or 3xx, " +
			"or exec:COMMAND exits with 0", Misreads: hooks.MisreadWords, Set: setProbe,
	},
	{
		Name: "ready-timeout", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME", Def: "60",
		Help: "how long a new worker, or that program, may take to be ready", Into: func(v *Vassal) option.Field { return (*option.Positive)(&v.Ready.Timeout) },
	},
	{
		Name: "reload-on-rss", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "MB",
		Help: "replace a worker whose memory grows above this", Set: setReloadOnRSS,
	},
	{
		Name: "reload-order", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "ORDER", Def: "by its sockets",
		Help: "start-first: new workers run beside the old ones until they are ready; stop-first: the old ones end before. Without it start-first " +
			"where sockets are handed to the program, else stop-first", Set: setReloadOrder,
	},
	{
		Name: "reload-signal", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "SIGNAL",
		Help: "a signal at which the command reads its own files again: a reload that changes no option sends it in place of new workers",
		Set: func(v *Vassal, t option.Value) (err error) {
			v.Workers.ReloadSignal, err = parseSignal(t.Text)
			return err
		},
	},
	{
		Name: "smart-attach-daemon", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "PIDFILE COMMAND", Repeat: true,
		Help: "start a program that puts itself into the background, unless it runs", Misreads: misreadDaemon, Set: attachSmart,
	},
	{
		Name: "smart-attach-daemon2", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "PIDFILE COMMAND", Repeat: true,
		Help: "start a program in the background, unless it runs", Misreads: misreadDaemon, Set: attachSmart2,
	},
	{
		Name: "stop-signal", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "SIGNAL", Def: "TERM",
		Help: "signal that asks a worker, or the program in the vassal's place, to finish", Set: func(v *Vassal, t option.Value) (err error) {
			v.Workers.StopSignal, err = parseSignal(t.Text)
			return err
		},
	},
	{
		Name: "touch-chain-reload", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "FILE", Repeat: true,
		Help: "replace one worker after the other when the file changes",
		Into: func(v *Vassal) option.Field { return (*option.List)(&v.Triggers.Chain) },
	},
	{
		Name: "touch-reload", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "FILE", Repeat: true,
		Help: "reload when the file changes", Into: func(v *Vassal) option.Field { return (*option.List)(&v.Triggers.Touch) },
	},
	{
		Name: "worker-exec", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "PROGRAM ARGS…",
		Help: "run this program with the first socket as standard input", Misreads: hooks.MisreadWords, Set: setWorkerExec,
	},
	{
		Name: "worker-exec2", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "PROGRAM ARGS…",
		Help: "as worker-exec, after the post-fork hooks", Misreads: hooks.MisreadWords, Set: setWorkerExec2,
	},
	{
		Name: "worker-reload-mercy", Group: "Workers", Tyrant: true, Change: option.Reload, Arg: "TIME", Def: "reload-mercy",
		Help: "time between asking a worker to stop and killing it",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.Workers.Mercy) },
	},
}

func setProcesses(v *Vassal, t option.Value) error {
	n, err := strconv.Atoi(t.Text)
	if err != nil || n < 1 || n > 1024 {
		return option.Wrong(strconv.Quote(t.Text)+" is not a number of workers", "1 to 1024")
	}
	v.Workers.Processes = n
	return nil
}

func setReloadOnRSS(v *Vassal, t option.Value) error {
	n, err := strconv.ParseInt(t.Text, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64>>20 {
		return option.Wrong(strconv.Quote(t.Text)+" is not an amount of memory", "megabytes, such as 256")
	}
	v.Triggers.RSS = n << 20
	return nil
}

func setWorkerExec(v *Vassal, t option.Value) error { return v.Workers.setExec(t.Text, false) }

func setWorkerExec2(v *Vassal, t option.Value) error { return v.Workers.setExec(t.Text, true) }

func (w *Workers) setExec(text string, hooks bool) (err error) {
	w.ExecHooks = hooks
	w.Exec, err = option.ParseWords(text)
	return err
}

// setReloadOrder parses one of two words.
func setReloadOrder(v *Vassal, t option.Value) error {
	switch o := ReloadOrder(t.Text); o {
	case StartFirst, StopFirst:
		v.Workers.Order = o
		return nil
	}
	return option.Wrong(strconv.Quote(t.Text)+" is not an order of a reload", "start-first or stop-first")
}

// parseSignal parses a number, or a name with or without SIG.
func parseSignal(s string) (syscall.Signal, error) {
	if n, ok := namespaces.ParseSignal(s); ok && n != 0 {
		return n, nil
	}
	return 0, option.Wrong(strconv.Quote(s)+" is not a signal", "such as TERM, HUP or 15")
}

// probeForms is the syntax of a probe, for hints.
const probeForms = "tcp:ADDRESS, http://ADDRESS/PATH or exec:COMMAND"

func setProbe(v *Vassal, t option.Value) (err error) {
	kind, rest, ok := strings.Cut(t.Text, ":")
	p := Probe{Kind: kind}
	if kind != "exec" {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "http:"), "//") // accepts http:URL too
	}
	switch {
	case !ok || rest == "":
		err = option.Wrong(strconv.Quote(t.Text)+" is not a probe", probeForms)
	case kind == "exec":
		p.Command, err = option.ParseWords(rest)
	case kind == "tcp":
		p.Address = rest
		err = checkAddress(p.Address, false)
	case kind == "http":
		host, path, _ := strings.Cut(rest, "/")
		if host == "" || host[0] == '.' {
			return option.Wrong(strconv.Quote(rest)+" names no host to ask by HTTP", "tcp:/path/of/socket for a unix socket, or exec:COMMAND that asks it")
		}
		p.Address, p.Path = address.Authority(host, 80), "/"+path
		err = checkAddress(p.Address, false)
	default:
		err = option.Unknown("kind of probe", kind, "tcp:ADDRESS", "http://ADDRESS/PATH", "exec:COMMAND")
	}
	v.Ready.Probe = p
	return err
}
