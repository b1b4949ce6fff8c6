package cli

import (
	"strings"

	"github.com/emperor-go/emperor/internal/optiondocs"
)

// Exit codes of all commands. The last three are the forms of a shell, for a program of enter.
const (
	ExitFailed        = 1
	ExitUsage         = 2
	exitNoEmperor     = 3
	exitUnknown       = 4 // no such vassal
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignalled     = 128 // plus the number of the signal
)

// exitTable explains the exit codes, for the help, the manual page and docs/control.md.
var exitTable = []optiondocs.Exit{
	{Code: "0", Meaning: "success", More: "check: no mistakes; the emperor: stopped as asked"},
	{Code: "1", Meaning: "the operation failed", More: "check, config: mistakes; net check: differences; wait: timeout; several " +
		"names: failures of different kinds"},
	{Code: "2", Meaning: "usage error", More: "an error in the command line or in the emperor's own file"},
	{Code: "3", Meaning: "cannot connect to an emperor", More: "or no answer for five seconds"},
	{Code: "4", Meaning: "no such vassal", More: "several names: only names were wrong"},
	{Code: "126", Meaning: "the program cannot be executed", More: "enter"},
	{Code: "127", Meaning: "no such program", More: "enter"},
	{Code: "128+N", Meaning: "signal N ended the program", More: "enter; 130: Ctrl-C ended wait; 141: the reader of events or logs is gone"},
}

// exitTexts returns the codes of the table from this position to before the other one, in one line.
func exitTexts(from, to int) string {
	var texts []string
	for _, x := range exitTable[from:to] {
		texts = append(texts, x.Code+": "+x.Meaning)
	}
	return strings.Join(texts, "; ") + "."
}

// firstOfShell is the position of the first code in the table that only programs in a vassal have.
const firstOfShell = 5

// exits explains in the help of each command the codes that all have.
func exits() string { return "\n\nExit status: " + exitTexts(0, firstOfShell) }

// withoutExits returns a help text without these.
func withoutExits(text string) string { return strings.TrimSuffix(text, exits()) }
