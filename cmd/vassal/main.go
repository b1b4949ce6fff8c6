// Command vassal is the program inside: it boots a process that an emperor has cloned, or, by
// hand, a vassal file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"

	"github.com/emperor-go/emperor/internal/optiondocs"
	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// Exit codes.
const (
	exitFailed = 1 // the vassal could not boot
	exitUsage  = 2 // the command line is wrong, or a file that it names
)

// The workers' death signal belongs to the thread that starts them: it must be the thread that
// ends last (prctl(2)).
func init() { runtime.LockOSThread() }

func main() {
	outset.Stack()
	outset.Conceal()
	outset.Signals()
	if os.Args[0] == workers.StageName {
		outset.Mortal()
	}
	if namespaces.IsVisitor() {
		if err := hooks.Joined(); err != nil {
			fmt.Println(err)
			os.Exit(exitFailed)
		}
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "--pty-connect" {
		fmt.Fprintln(os.Stderr, "vassal: cannot attach:", vassal.Attach(os.Args[2]))
		os.Exit(exitFailed)
	}
	termlog.OutliveReader()
	stderr := termlog.Own()
	log := termlog.OwnLog(stderr)
	printed := func() { stderr.Flush(termlog.LastWords) }
	var err error
	if os.Args[0] == workers.StageName {
		err = workers.Stage(os.Args, log, printed)
	} else {
		err = run(log, printed)
	}
	code := report(stderr, err)
	printed()
	os.Exit(code)
}

// report prints an error, or the answer to a question, and returns the exit code.
func report(stderr io.Writer, err error) (code int) {
	var shown config.Shown
	var exit *hooks.ExitError
	switch {
	case err == nil, errors.Is(err, vassal.ErrWithdrawn):
		return 0
	case errors.As(err, &shown):
		fmt.Print(shown.Text)
		return 0
	case errors.Is(err, config.ErrHelp):
		_ = optiondocs.VassalHelp(os.Stdout, err)
		return 0
	case errors.Is(err, config.ErrVersion):
		fmt.Println("vassal", config.Version)
		return 0
	case errors.As(err, &exit):
		code = exit.Code
	case errors.Is(err, vassal.ErrUsage):
		code = exitUsage
	default:
		code = exitFailed
	}
	if code != 0 {
		termlog.PrintError(stderr, "vassal", err)
	}
	return code
}

func run(log *slog.Logger, printed func()) error {
	self, server, parser, err := vassal.Programs()
	if err != nil {
		return err
	}
	v := &vassal.Vassal{
		Parse: func(own config.Access) (*config.Vassal, config.Problems, error) {
			return own.ParseVassalArgs(os.Args[1:])
		},
		Fallback:      func(own config.Access) string { return own.FallbackOfArgs(os.Args[1:]) },
		Exit:          os.Exit,
		ServerProgram: server, ParserProgram: parser, SelfProgram: self, TwinProgram: vassal.Twin(),
		Log: log, Printed: printed,
	}
	return v.Run(context.Background())
}
