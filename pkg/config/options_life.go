package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Life is the configuration of the life cycle of vassals.
type Life struct {
	// Jitter is the largest fraction of a backoff that is added at random. MaxRestarts is the
	// number of consecutive failures after which a vassal is not restarted; zero: no limit.
	Jitter      float64
	MaxRestarts int
	// Heartbeat limits the silence of a vassal that has sent heartbeats. CurseTolerance limits
	// the life of a vassal after it has closed its pipe. ReloadTimeout limits a reload. Zero: no
	// limit.
	Heartbeat, CurseTolerance, ReloadTimeout time.Duration
	// ChangePause limits the pause between two processes that changes of a vassal's file cause.
	// Zero: no pause.
	ChangePause time.Duration
	// Broodlord is the total number of zergs.
	Broodlord int
	// Graceful stops vassals gracefully when the emperor stops.
	Graceful bool
	// WaitForCommand delays new vassals until a command starts them, except the ones in
	// WaitIgnore.
	WaitForCommand bool
	WaitIgnore     []string
}

func defaultLife() Life {
	return Life{Jitter: 0.1, Heartbeat: 30 * time.Second, CurseTolerance: 30 * time.Second, ReloadTimeout: 60 * time.Second, ChangePause: 30 * time.Second}
}

// lifeOptions configure the life cycle of vassals.
var lifeOptions = option.Rows[Emperor]{
	{
		Name: "emperor-backoff-jitter", Change: option.Reload, Group: "Vassals", Arg: "PERCENT", Def: "10",
		Help: "largest part of a backoff that is added at random", Set: setJitter,
	},
	{
		Name: "emperor-broodlord", Change: option.Reload, Group: "Vassals", Arg: "N", Help: "total number of zergs, for vassals that request reinforcement",
		Into: func(e *Emperor) option.Field { return (*option.Number)(&e.Life.Broodlord) },
	},
	{
		Name: "emperor-change-pause", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "30",
		Help: "longest pause between two processes that changes of a vassal's file need; 0: none",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.Life.ChangePause) },
	},
	{
		Name: "emperor-curse-tolerance", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "30",
		Help: "how long a vassal may live after it closed its pipe; 0: no limit",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.Life.CurseTolerance) },
	},
	{
		Name: "emperor-graceful-shutdown", Change: option.Reload, Group: "Vassals", Help: "stop vassals gracefully when the emperor stops",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Life.Graceful) },
	},
	{
		Name: "emperor-max-restarts", Change: option.Reload, Aliases: []string{"max-restarts"}, Group: "Vassals", Arg: "N",
		Help: "failures in a row after which a vassal rests until its file changes",
		Into: func(e *Emperor) option.Field { return (*option.Number)(&e.Life.MaxRestarts) },
	},
	{
		Name: "emperor-max-throttle", Change: option.Reload, Group: "Vassals", Arg: "MS", Help: "the longest backoff, with uWSGI's name",
		Into: func(e *Emperor) option.Field { return (*option.Milliseconds)(&e.BackoffMax) },
	},
	{
		Name: "emperor-no-blacklist", Change: option.Reload, Group: "Vassals", Help: "make every backoff as long as the first",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.FlatBackoff) },
	},
	{
		Name: "emperor-reload-timeout", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "60",
		Help: "how long a reload may take before it counts as failed; 0: no limit",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.Life.ReloadTimeout) },
	},
	{
		Name: "emperor-required-heartbeat", Change: option.Reload, Group: "Vassals", Arg: "TIME", Def: "30",
		Help: "longest silence of a vassal that has sent heartbeats; 0: no limit",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.Life.Heartbeat) },
	},
	{
		Name: "emperor-throttle", Change: option.Reload, Group: "Vassals", Arg: "MS", Help: "the first backoff, with uWSGI's name",
		Into: func(e *Emperor) option.Field { return (*option.Milliseconds)(&e.Backoff) },
	},
	{
		Name: "emperor-wait-for-command", Change: option.Reload, Group: "Vassals", Help: "a new vassal waits for a command that starts it",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Life.WaitForCommand) },
	},
	{
		Name: "emperor-wait-for-command-ignore", Change: option.Reload, Group: "Vassals", Arg: "NAME", Repeat: true,
		Help: "a vassal that does not wait for a command",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Life.WaitIgnore) },
	},

	{
		Name: "emperor-command-socket", Group: "Control", Arg: "ADDRESS",
		Help: "accept datagrams of uWSGI's there, with cmd = spawn, respawn, stop or log and vassal = NAME; a path has mode 0600 and the rules of " +
			"the control socket; a UDP address must be a loopback one, and its senders cannot be verified",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.CommandSocket) },
	},
	{
		Name: "emperor-command-socket-remote", Group: "Control",
		Help: "allow emperor-command-socket a UDP address that other machines reach; its senders cannot be verified",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.CommandRemote) },
	},
	{
		Name: "runtime-dir", Group: "Control", Arg: "DIR", Def: "$RUNTIME_DIRECTORY or /run/emperor",
		Help: "directory of the emperor's own sockets; of an emperor that is not root also $XDG_RUNTIME_DIR/emperor",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.RuntimeDir) },
	},

	{
		Name: "emperor-pidfile", Aliases: []string{"pidfile", "pidfile2", "safe-pidfile", "safe-pidfile2"}, Group: "Process", Arg: "FILE",
		Help: "write the emperor's pid", Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Pidfile) },
	},
	{
		Name: "emperor-procname", Group: "Process", Arg: "NAME", Help: "name of the emperor's process",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Procname) },
	},
	{
		Name: "emperor-subreaper", Group: "Process", Help: "adopt and reap the orphans of vassals and hooks",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Subreaper) },
	},
}

func setJitter(e *Emperor, v option.Value) error {
	n, err := strconv.ParseUint(strings.TrimSuffix(v.Text, "%"), 10, 8)
	if err != nil || n > 100 {
		return option.Wrong(strconv.Quote(v.Text)+" is not a part of a hundred", "0 to 100")
	}
	e.Life.Jitter = float64(n) / 100
	return nil
}
