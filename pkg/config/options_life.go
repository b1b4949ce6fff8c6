package config

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Life is what an operator may say about how vassals live and die.
type Life struct {
	// Jitter is the largest part of a backoff that is added at random, and
	// MaxRestarts how many failures in a row are too many. Zero: no number is.
	Jitter      float64
	MaxRestarts int
	// Heartbeat is the longest silence of a vassal that has sent heartbeats,
	// CurseTolerance how long one may live that closed its pipe, and ReloadTimeout
	// how long a reload may take. Zero: for ever.
	Heartbeat, CurseTolerance, ReloadTimeout time.Duration
	// Broodlord is how many zergs there may be in all.
	Broodlord int
	// Graceful stops vassals gracefully when the emperor stops.
	Graceful bool
	// WaitForCommand keeps new vassals from starting before they are told to, but
	// those of WaitIgnore.
	WaitForCommand bool
	WaitIgnore     []string
}

// OnDemand is what an operator may say about sockets that start vassals.
type OnDemand struct {
	// Extension makes the content of the file NAME+Extension the address of the
	// vassal NAME, Directory has the unix sockets of all vassals, and the command
	// Exec prints the address. Empty: not.
	Extension, Directory, Exec string
	// Mode, Owner and Group are those of unix sockets. Not set: the emperor's.
	Mode         os.FileMode
	Owner, Group Identity
}

// Wrapping is what an operator may say about the program that vassals become.
type Wrapping struct {
	// Override, Program and Fallback are tried in this order.
	Override []string
	Program  string
	Fallback []string
	// ProgramAttr and ChdirAttr name attributes of the vassal.
	ProgramAttr, ChdirAttr string
	// Collect are attributes to collect from a vassal's file.
	Collect []string
}

func defaultLife() Life {
	return Life{Jitter: 0.1, Heartbeat: 30 * time.Second, CurseTolerance: 30 * time.Second, ReloadTimeout: 60 * time.Second}
}

// lifeOptions say how vassals live and die.
func lifeOptions() table[Emperor] {
	life := func(field func(*Life) *time.Duration) func(*Emperor) *time.Duration {
		return func(e *Emperor) *time.Duration { return field(&e.Life) }
	}
	return table[Emperor]{
		{name: "emperor-backoff-jitter", group: "Vassals", arg: "PERCENT", def: "10", help: "largest part of a backoff that is added at random", set: setJitter},
		{
			name: "emperor-broodlord", group: "Vassals", arg: "N", help: "how many zergs may run in all, for vassals that ask for reinforcement",
			set: number(func(e *Emperor) *int { return &e.Life.Broodlord }),
		},
		{
			name: "emperor-curse-tolerance", group: "Vassals", arg: "TIME", def: "30", help: "how long a vassal may live that closed its pipe; 0: for ever",
			set: duration(life(func(l *Life) *time.Duration { return &l.CurseTolerance })),
		},
		{
			name: "emperor-graceful-shutdown", group: "Vassals", help: "stop vassals gracefully when the emperor stops",
			set: yes(func(e *Emperor) *bool { return &e.Life.Graceful }),
		},
		{
			name: "emperor-max-restarts", aliases: []string{"max-restarts"}, group: "Vassals", arg: "N",
			help: "failures in a row after which a vassal rests until its file changes", set: number(func(e *Emperor) *int { return &e.Life.MaxRestarts }),
		},
		{name: "emperor-max-throttle", group: "Vassals", arg: "MS", help: "the longest backoff, as uWSGI names it", set: milliseconds(func(e *Emperor) *time.Duration { return &e.BackoffMax })},
		{
			name: "emperor-no-blacklist", group: "Vassals", help: "every backoff is as long as the first",
			set: yes(func(e *Emperor) *bool { return &e.FlatBackoff }),
		},
		{
			name: "emperor-reload-timeout", group: "Vassals", arg: "TIME", def: "60", help: "how long a reload may take before it counts as failed; 0: for ever",
			set: duration(life(func(l *Life) *time.Duration { return &l.ReloadTimeout })),
		},
		{
			name: "emperor-required-heartbeat", group: "Vassals", arg: "TIME", def: "30", help: "longest silence of a vassal that has sent heartbeats; 0: any",
			set: duration(life(func(l *Life) *time.Duration { return &l.Heartbeat })),
		},
		{name: "emperor-throttle", group: "Vassals", arg: "MS", help: "the first backoff, as uWSGI names it", set: milliseconds(func(e *Emperor) *time.Duration { return &e.Backoff })},
		{
			name: "emperor-wait-for-command", group: "Vassals", help: "a new vassal starts when it is told to",
			set: yes(func(e *Emperor) *bool { return &e.Life.WaitForCommand }),
		},
		{
			name: "emperor-wait-for-command-ignore", group: "Vassals", arg: "NAME", repeat: true, help: "a vassal that does not wait for a command",
			set: list(func(e *Emperor) *[]string { return &e.Life.WaitIgnore }),
		},

		{
			name: "emperor-command-socket", group: "Control", arg: "ADDRESS",
			help: "take datagrams of uWSGI's there, with cmd = spawn, respawn, stop or log and vassal = NAME; a path has mode 0600",
			set:  text(func(e *Emperor) *string { return &e.CommandSocket }),
		},
		{
			name: "runtime-dir", group: "Control", arg: "DIR", def: "/run/emperor", help: "directory of the emperor's own sockets",
			set: text(func(e *Emperor) *string { return &e.RuntimeDir }),
		},

		{name: "emperor-pidfile", group: "Process", arg: "FILE", help: "write the emperor's pid", set: text(func(e *Emperor) *string { return &e.Pidfile })},
		{name: "emperor-procname", group: "Process", arg: "NAME", help: "name of the emperor's process", set: text(func(e *Emperor) *string { return &e.Procname })},
		{
			name: "emperor-subreaper", group: "Process", help: "adopt and reap the orphans of vassals and hooks",
			set: yes(func(e *Emperor) *bool { return &e.Subreaper }),
		},
	}
}

// onDemandOptions say which vassals wait for their first connection, and where.
func onDemandOptions() table[Emperor] {
	return table[Emperor]{
		{
			name: "emperor-on-demand-directory", aliases: []string{"emperor-on-demand-dir"}, group: "Sockets", arg: "DIR",
			help: "vassal NAME.ini starts with the first connection to DIR/NAME.socket", set: text(func(e *Emperor) *string { return &e.OnDemand.Directory }),
		},
		{
			name: "emperor-on-demand-exec", group: "Sockets", arg: "COMMAND", help: "a command that prints the address that starts the vassal named by its argument",
			set: text(func(e *Emperor) *string { return &e.OnDemand.Exec }),
		},
		{
			name: "emperor-on-demand-extension", aliases: []string{"emperor-on-demand-ext"}, group: "Sockets", arg: "EXT",
			help: "vassal NAME starts with the first connection to the address in the file NAME+EXT", set: text(func(e *Emperor) *string { return &e.OnDemand.Extension }),
		},
		{name: "emperor-on-demand-mode", group: "Sockets", arg: "OCTAL", def: "666", guard: true, help: "mode of unix sockets that start vassals", set: setOnDemandMode},
		{name: "emperor-on-demand-owner", group: "Sockets", arg: "USER[:GROUP]", guard: true, help: "owner of unix sockets that start vassals", set: setOnDemandOwner},
	}
}

// wrapOptions say what program vassals become.
func wrapOptions() table[Emperor] {
	return table[Emperor]{
		{
			name: "emperor-chdir-attr", group: "Vassals", arg: "NAME", help: "attribute with the directory in which the wrapper starts",
			set: text(func(e *Emperor) *string { return &e.Wrapping.ChdirAttr }),
		},
		{
			name: "emperor-collect-attr", group: "Vassals", arg: "NAME", repeat: true, help: "attribute to collect from the section [emperor] of a vassal's file",
			set: list(func(e *Emperor) *[]string { return &e.Wrapping.Collect }),
		},
		{
			name: "emperor-wrapper", group: "Vassals", arg: "PROGRAM", help: "vassals become this program, which speaks uWSGI's protocol, such as uwsgi",
			set: text(func(e *Emperor) *string { return &e.Wrapping.Program }),
		},
		{
			name: "emperor-wrapper-attr", group: "Vassals", arg: "NAME", help: "attribute with the program a vassal becomes",
			set: text(func(e *Emperor) *string { return &e.Wrapping.ProgramAttr }),
		},
		{
			name: "emperor-wrapper-fallback", group: "Vassals", arg: "PROGRAM", repeat: true, help: "program to become when emperor-wrapper cannot be executed",
			set: list(func(e *Emperor) *[]string { return &e.Wrapping.Fallback }),
		},
		{
			name: "emperor-wrapper-override", group: "Vassals", arg: "PROGRAM", repeat: true, help: "program to become if it can be executed, before emperor-wrapper",
			set: list(func(e *Emperor) *[]string { return &e.Wrapping.Override }),
		},
	}
}

func setJitter(e *Emperor, v value) error {
	n, err := strconv.ParseUint(strings.TrimSuffix(v.text, "%"), 10, 8)
	if err != nil || n > 100 {
		return hinted{strconv.Quote(v.text) + " is not a part of a hundred", "0 to 100"}
	}
	e.Life.Jitter = float64(n) / 100
	return nil
}

func setOnDemandMode(e *Emperor, v value) error {
	mode, err := strconv.ParseUint(v.text, 8, 16)
	if err != nil || mode > 0o777 {
		return hinted{strconv.Quote(v.text) + " is not a mode", "octal, such as 660"}
	}
	e.OnDemand.Mode = os.FileMode(mode)
	return nil
}

func number[T any](field func(*T) *int) func(*T, value) error {
	return func(t *T, v value) (err error) {
		if *field(t), err = strconv.Atoi(v.text); err != nil || *field(t) < 0 {
			return hinted{strconv.Quote(v.text) + " is not a number", "0 or more"}
		}
		return nil
	}
}

func setOnDemandOwner(e *Emperor, v value) (err error) {
	user, group, both := strings.Cut(v.text, ":")
	if e.OnDemand.Owner, err = parseIdentity(user); err == nil && both {
		e.OnDemand.Group, err = parseIdentity(group)
	}
	return err
}

func milliseconds[T any](field func(*T) *time.Duration) func(*T, value) error {
	return func(t *T, v value) error {
		n, err := strconv.ParseUint(v.text, 10, 31)
		if err != nil || n == 0 {
			return hinted{strconv.Quote(v.text) + " is not a number of milliseconds", "1 or more"}
		}
		*field(t) = time.Duration(n) * time.Millisecond
		return nil
	}
}
