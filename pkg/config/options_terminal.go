package config

// Terminal says how the first worker runs on a pseudoterminal.
type Terminal struct {
	// Socket is the address where clients reach it. Empty: there is none.
	Socket string
	// Log: what is printed there goes to the log as well.
	Log bool
	// Input: what comes on the vassal's own standard input is typed there.
	Input bool
	// NoISig: keys such as Ctrl-C make no signals.
	NoISig bool
	// Exec is a program that runs on the terminal instead of the worker.
	Exec []string
}

// terminalOptions put the first worker on a pseudoterminal.
func terminalOptions() table[Vassal] {
	const g = "Terminal"
	return table[Vassal]{
		{
			name: "pty-exec", group: g, arg: "PROGRAM ARGS…", help: "run this program on the terminal, when a client comes, instead of the first worker",
			set: words(func(v *Vassal) *[]string { return &v.Terminal.Exec }),
		},
		{name: "pty-input", group: g, help: "type what comes on the vassal's standard input", set: yes(func(v *Vassal) *bool { return &v.Terminal.Input })},
		{name: "pty-log", group: g, help: "log what is printed on the terminal as well", set: yes(func(v *Vassal) *bool { return &v.Terminal.Log })},
		{name: "pty-no-isig", group: g, help: "keys such as Ctrl-C make no signals", set: yes(func(v *Vassal) *bool { return &v.Terminal.NoISig })},
		{
			name: "pty-socket", group: g, arg: "ADDRESS", help: "run the first worker on a terminal that clients share here (vassal --pty-connect); a path has mode 0600",
			set: func(v *Vassal, t value) error {
				v.Terminal.Socket = t.text
				return checkAddress(t.text, false)
			},
		},
	}
}
