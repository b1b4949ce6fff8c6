package config

import (
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Wait is an object that must exist before the vassal continues.
type Wait struct {
	// Kind is fs, file, dir, mountpoint or socket.
	Kind string
	// Name is a path, or the address of a socket.
	Name string
	// Late: a tenant's file names it, and the wait is after the drop: it would show which names exist.
	Late bool
}

// Waits are the waits of the boot. Interfaces have their own field.
type Waits struct {
	// Paths must exist before the as-root hooks run. Sockets must accept before the vassal binds
	// its own.
	Paths, Sockets []Wait
	// Timeouts limit each wait, by kind.
	Timeouts map[string]time.Duration
}

// waitTimeout is the default timeout of each wait.
const waitTimeout = 60 * time.Second

// Timeout returns the timeout of a wait.
func (w Waits) Timeout(kind string) time.Duration {
	if kind == "file" || kind == "dir" {
		if d, ok := w.Timeouts[kind]; ok {
			return d
		}
		kind = "fs"
	}
	if d, ok := w.Timeouts[kind]; ok {
		return d
	}
	return waitTimeout
}

// Names has the name of the master, or of the emperor, in process lists. Empty: the program's own
// name.
type Names struct {
	// Name, or Master for the master alone, with Prefix before it and Append after it.
	Name, Master, Prefix, Append string
	// Auto makes a name that describes the process.
	Auto bool
}

// Of returns the name of a process. program is its own name; an automatic name contains the
// activity and its object. Empty: unchanged.
func (n Names) Of(program, does, subject string) string {
	name := n.Master
	if name == "" {
		name = n.Name
	}
	if name == "" && n.Auto {
		name = strings.TrimSpace(program + " " + does + " " + subject)
	}
	if name == "" {
		if n.Prefix+n.Append == "" {
			return ""
		}
		name = program
	}
	return n.Prefix + name + n.Append
}

// startOptions are the options about directories, pid files, and waits of the boot.
var startOptions = option.Rows[Vassal]{
	{
		Name: "cwd", Group: "Boot", Arg: "DIR", Tyrant: true, Help: "working directory from the start",
		Into: func(v *Vassal) option.Field { return (*option.Text)(&v.Cwd) },
	},
	{
		Name: "pidfile", Aliases: []string{"safe-pidfile"}, Group: "Boot", Arg: "FILE", Help: "write the pid into a file, before privileges are dropped",
		Into: func(v *Vassal) option.Field { return (*option.Text)(&v.Pidfile) },
	},
	{
		Name: "pidfile2", Aliases: []string{"safe-pidfile2"}, Group: "Boot", Arg: "FILE", Tyrant: true,
		Help: "write the pid into a file, after privileges were dropped",
		Into: func(v *Vassal) option.Field { return (*option.Text)(&v.Pidfile2) },
	},
	{
		Name: "wait-for-dir", Group: "Boot", Arg: "DIR", Repeat: true, Tyrant: true, Help: "wait for the directory before the as-root hooks",
		Set: func(v *Vassal, t option.Value) error { return v.Waits.add("dir", t) },
	},
	{
		Name: "wait-for-dir-timeout", Group: "Boot", Arg: "TIME", Def: "wait-for-fs-timeout", Tyrant: true,
		Help: "how long to wait for a directory", Set: func(v *Vassal, t option.Value) error { return v.Waits.bound("dir", t.Text) },
	},
	{
		Name: "wait-for-file", Group: "Boot", Arg: "FILE", Repeat: true, Tyrant: true, Help: "wait for the regular file before the as-root hooks",
		Set: func(v *Vassal, t option.Value) error { return v.Waits.add("file", t) },
	},
	{
		Name: "wait-for-file-timeout", Group: "Boot", Arg: "TIME", Def: "wait-for-fs-timeout", Tyrant: true, Help: "how long to wait for a file",
		Set: func(v *Vassal, t option.Value) error { return v.Waits.bound("file", t.Text) },
	},
	{
		Name: "wait-for-fs", Group: "Boot", Arg: "PATH", Repeat: true, Tyrant: true,
		Help: "wait for a file or directory of that name before the as-root hooks", Set: func(v *Vassal, t option.Value) error { return v.Waits.add("fs", t) },
	},
	{
		Name: "wait-for-fs-timeout", Group: "Boot", Arg: "TIME", Def: "60", Tyrant: true,
		Help: "how long to wait for names, files and directories", Set: func(v *Vassal, t option.Value) error { return v.Waits.bound("fs", t.Text) },
	},
	{
		Name: "wait-for-mountpoint", Group: "Boot", Arg: "DIR", Repeat: true, Tyrant: true,
		Help: "wait for a mount there, before the as-root hooks", Set: func(v *Vassal, t option.Value) error { return v.Waits.add("mountpoint", t) },
	},
	{
		Name: "wait-for-mountpoint-timeout", Group: "Boot", Arg: "TIME", Def: "60", Tyrant: true, Help: "how long to wait for a mount",
		Set: func(v *Vassal, t option.Value) error { return v.Waits.bound("mountpoint", t.Text) },
	},
	{
		Name: "wait-for-socket", Group: "Boot", Arg: "ADDRESS", Repeat: true, Tyrant: true,
		Help: "wait until a process listens there, before own sockets are bound", Set: func(v *Vassal, t option.Value) error { return v.Waits.add("socket", t) },
	},
	{
		Name: "wait-for-socket-timeout", Group: "Boot", Arg: "TIME", Def: "60", Tyrant: true, Help: "how long to wait for a socket",
		Set: func(v *Vassal, t option.Value) error { return v.Waits.bound("socket", t.Text) },
	},
}

// nameOptions are the options about the name of a process, the same in both programs.
var nameOptions = option.Rows[Names]{
	{
		Name: "auto-procname", Group: "Process", Tyrant: true, Help: "make a name for the master that describes it",
		Into: func(n *Names) option.Field { return (*option.Flag)(&n.Auto) },
	},
	{
		Name: "procname", Group: "Process", Arg: "NAME", Tyrant: true, Help: "name of the master in process lists",
		Into: func(n *Names) option.Field { return (*option.Text)(&n.Name) },
	},
	{
		Name: "procname-append", Group: "Process", Arg: "TEXT", Tyrant: true, Help: "text after the name",
		Into: func(n *Names) option.Field { return (*option.Text)(&n.Append) },
	},
	{
		Name: "procname-master", Group: "Process", Arg: "NAME", Tyrant: true, Help: "name of the master, before procname",
		Into: func(n *Names) option.Field { return (*option.Text)(&n.Master) },
	},
	{
		Name: "procname-prefix", Group: "Process", Arg: "TEXT", Tyrant: true, Help: "text before the name",
		Into: func(n *Names) option.Field { return (*option.Text)(&n.Prefix) },
	},
	{
		Name: "procname-prefix-spaced", Group: "Process", Arg: "TEXT", Tyrant: true, Help: "text before the name, with a space",
		Set: func(n *Names, t option.Value) error { n.Prefix = t.Text + " "; return nil },
	},
}

func (w *Waits) add(kind string, t option.Value) error {
	if t.Text == "" {
		return option.Wrong("nothing to wait for", "")
	}
	list := &w.Paths
	if kind == "socket" {
		list = &w.Sockets
	}
	*list = append(*list, Wait{kind, t.Text, t.Tenant})
	return nil
}

func (w *Waits) bound(kind, text string) error {
	d, err := option.ParseDuration(text)
	if w.Timeouts == nil {
		w.Timeouts = map[string]time.Duration{}
	}
	w.Timeouts[kind] = d
	return err
}
