// Package helper is the program vassal-helper. It does the work that would make each vassal, and
// each emperor, larger: it reads YAML and XML, asks other hosts, matches
// regular expressions, and shares terminals. Its first
// argument decides which.
package helper

import (
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/version"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

const usage = `Usage: vassal-helper parse yaml|xml <FILE
       vassal-helper lookup ip4|ip NAME
       vassal-helper fetch <URL
       vassal-helper match <QUESTION
       vassal-helper pty --connect ADDRESS

vassal starts this program: parse prints the options of a configuration as JSON, lookup prints
the addresses of a host, fetch prints the page at HOST[:PORT]/PATH, match reports whether a
regular expression matches a text, both quoted, and pty attaches to the terminal of a vassal,
whose pty-socket is ADDRESS.
`

// Main is the program, with the command line of this process. It ends the process.
func Main() {
	outset.Conceal()
	outset.Signals()
	os.Exit(run(os.Args[1:]))
}

func run(args []string) (code int) {
	switch {
	case len(args) == 1 && args[0] == "--help":
		fmt.Fprint(os.Stdout, usage)
		return 0
	case len(args) == 1 && args[0] == "--version":
		fmt.Fprintln(os.Stdout, version.Line(libexec.Helper))
		return 0
	case len(args) == 2 && args[0] == libexec.Parse && (args[1] == "yaml" || args[1] == "xml"):
		return parse(args[1])
	case len(args) == 3 && args[0] == assist.LookupName && (args[1] == "ip4" || args[1] == "ip"):
		return lookup(args[1], args[2])
	case len(args) == 1 && args[0] == assist.FetchName:
		return fetch()
	case len(args) == 1 && args[0] == assist.MatchName:
		return match()
	case len(args) > 1 && args[0] == libexec.PTY:
		return terminalOf(args[1:])
	}
	return misused()
}

func misused() int {
	fmt.Fprint(os.Stderr, usage)
	return exitUsage
}

// parse reads a configuration on standard input and writes its options to standard output.
func parse(format string) (code int) {
	if err := foreign.Answer(parser.Parse, format, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, libexec.Helper+":", err)
		return exitFailed
	}
	return 0
}
