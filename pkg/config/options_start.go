package config

import "time"

// Wait is something that must be there before the vassal goes on.
type Wait struct {
	// Kind is fs, file, dir, mountpoint or socket.
	Kind string
	// Name is a path, or the address of a socket.
	Name string
}

// Waits are what the boot waits for, beside interfaces.
type Waits struct {
	// Paths are waited for before the as-root hooks, Sockets before those of the
	// vassal are bound.
	Paths, Sockets []Wait
	// Timeouts bound each wait, by kind.
	Timeouts map[string]time.Duration
}

// waitTimeout is the default of each.
const waitTimeout = 60 * time.Second

// Timeout returns the bound of a wait.
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

// Names are what the master is called in process lists. Empty: the program's own
// name.
type Names struct {
	// Name, or Master for the master alone, with Prefix in front and Append behind.
	Name, Master, Prefix, Append string
	// Auto makes up a name that says what the process does.
	Auto bool
}

// startOptions are about what happens around the boot: directories, pid files,
// names, and what is waited for.
func startOptions() table[Vassal] {
	return table[Vassal]{
		{
			name: "cwd", group: "Boot", arg: "DIR", tyrant: true, help: "working directory from the start",
			set: text(func(v *Vassal) *string { return &v.Cwd }),
		},
		{
			name: "pidfile", group: "Boot", arg: "FILE", help: "write the pid into a file, before privileges are dropped",
			set: text(func(v *Vassal) *string { return &v.Pidfile }),
		},
		{
			name: "pidfile2", group: "Boot", arg: "FILE", tyrant: true, help: "write the pid into a file, after privileges were dropped",
			set: text(func(v *Vassal) *string { return &v.Pidfile2 }),
		},
		{name: "wait-for-dir", group: "Boot", arg: "DIR", repeat: true, tyrant: true, help: "wait for the directory before the as-root hooks", set: setWait("dir")},
		{name: "wait-for-dir-timeout", group: "Boot", arg: "TIME", def: "wait-for-fs-timeout", tyrant: true, help: "how long to wait for a directory", set: setWaitTimeout("dir")},
		{name: "wait-for-file", group: "Boot", arg: "FILE", repeat: true, tyrant: true, help: "wait for the regular file before the as-root hooks", set: setWait("file")},
		{name: "wait-for-file-timeout", group: "Boot", arg: "TIME", def: "wait-for-fs-timeout", tyrant: true, help: "how long to wait for a file", set: setWaitTimeout("file")},
		{name: "wait-for-fs", group: "Boot", arg: "PATH", repeat: true, tyrant: true, help: "wait for anything of that name before the as-root hooks", set: setWait("fs")},
		{name: "wait-for-fs-timeout", group: "Boot", arg: "TIME", def: "60", tyrant: true, help: "how long to wait for names, files and directories", set: setWaitTimeout("fs")},
		{name: "wait-for-mountpoint", group: "Boot", arg: "DIR", repeat: true, tyrant: true, help: "wait until something is mounted there, before the as-root hooks", set: setWait("mountpoint")},
		{name: "wait-for-mountpoint-timeout", group: "Boot", arg: "TIME", def: "60", tyrant: true, help: "how long to wait for a mount", set: setWaitTimeout("mountpoint")},
		{name: "wait-for-socket", group: "Boot", arg: "ADDRESS", repeat: true, tyrant: true, help: "wait until somebody listens there, before own sockets are bound", set: setWait("socket")},
		{name: "wait-for-socket-timeout", group: "Boot", arg: "TIME", def: "60", tyrant: true, help: "how long to wait for a socket", set: setWaitTimeout("socket")},

		{
			name: "auto-procname", group: "Process", tyrant: true, help: "make up a name for the master",
			set: yes(func(v *Vassal) *bool { return &v.Names.Auto }),
		},
		{
			name: "procname", group: "Process", arg: "NAME", tyrant: true, help: "name of the master in process lists",
			set: text(func(v *Vassal) *string { return &v.Names.Name }),
		},
		{
			name: "procname-append", group: "Process", arg: "TEXT", tyrant: true, help: "put behind the name",
			set: text(func(v *Vassal) *string { return &v.Names.Append }),
		},
		{
			name: "procname-master", group: "Process", arg: "NAME", tyrant: true, help: "name of the master, before procname",
			set: text(func(v *Vassal) *string { return &v.Names.Master }),
		},
		{
			name: "procname-prefix", group: "Process", arg: "TEXT", tyrant: true, help: "put in front of the name",
			set: text(func(v *Vassal) *string { return &v.Names.Prefix }),
		},
		{
			name: "procname-prefix-spaced", group: "Process", arg: "TEXT", tyrant: true, help: "put in front of the name, with a space",
			set: func(v *Vassal, t value) error { v.Names.Prefix = t.text + " "; return nil },
		},
	}
}

func setWait(kind string) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		if err := nonempty(t.text, "nothing to wait for"); err != nil {
			return err
		}
		list := &v.Waits.Paths
		if kind == "socket" {
			list = &v.Waits.Sockets
		}
		*list = append(*list, Wait{kind, t.text})
		return nil
	}
}

func setWaitTimeout(kind string) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		d, err := parseDuration(t.text)
		if v.Waits.Timeouts == nil {
			v.Waits.Timeouts = map[string]time.Duration{}
		}
		v.Waits.Timeouts[kind] = d
		return err
	}
}
