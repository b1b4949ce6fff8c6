package config

import (
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// Terminal is the configuration of the first worker's pseudoterminal.
type Terminal struct {
	// Socket is the address for clients. Empty: none.
	Socket string
	// Log copies the output to the log.
	Log bool
	// Input types the vassal's own standard input into the terminal.
	Input bool
	// NoISig stops keys such as Ctrl-C from sending signals.
	NoISig bool
	// Exec is a program that runs on the terminal instead of the worker.
	Exec []string
}

// terminalOptions run the first worker on a pseudoterminal.
var terminalOptions = option.Rows[Vassal]{
	{
		Name: "pty-exec", Group: "Terminal", Tyrant: true, Arg: "PROGRAM ARGS…",
		Help:     "run this program on the terminal, when a client connects, instead of the first worker",
		Misreads: hooks.MisreadWords, Into: func(v *Vassal) option.Field { return (*option.Words)(&v.Terminal.Exec) },
	},
	{
		Name: "pty-input", Group: "Terminal", Tyrant: true, Help: "type the vassal's standard input into the terminal",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Terminal.Input) },
	},
	{
		Name: "pty-log", Group: "Terminal", Tyrant: true, Help: "log the output of the terminal as well",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Terminal.Log) },
	},
	{
		Name: "pty-no-isig", Group: "Terminal", Tyrant: true, Help: "keys such as Ctrl-C make no signals",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Terminal.NoISig) },
	},
	{
		Name: "pty-socket", Group: "Terminal", Tyrant: true, Arg: "ADDRESS",
		Help: "run the first worker on a terminal that clients share here (vassal --pty-connect); a path has mode 0600",
		Set: func(v *Vassal, t option.Value) error {
			v.Terminal.Socket = t.Text
			return checkAddress(t.Text, false)
		},
	},
}
