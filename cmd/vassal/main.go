// Command vassal is the program inside: it boots what an emperor has cloned, or,
// by hand, what a vassal file says.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal"
	"github.com/emperor-go/emperor/pkg/vassal/master"
)

// Exit codes.
const (
	exitFailed = 1 // the vassal could not boot
	exitUsage  = 2 // the command line is wrong, or a file that it names
)

// The workers' death signal is tied to the thread that starts them: it must be
// the one that ends last (prctl(2)).
func init() { runtime.LockOSThread() }

func main() {
	if namespaces.IsVisitor() {
		if err := hooks.Joined(); err != nil {
			fmt.Println(err)
			os.Exit(exitFailed)
		}
		return
	}
	termlog.OutliveReader()
	if os.Args[0] == master.StageName {
		termlog.PrintError(os.Stderr, "vassal", master.Stage(os.Args, logger()))
		os.Exit(exitFailed)
	}
	if len(os.Args) == 3 && os.Args[1] == "--pty-connect" {
		fmt.Fprintln(os.Stderr, "vassal: cannot attach:", vassal.Attach(os.Args[2]))
		os.Exit(exitFailed)
	}
	err := run()
	var shown config.Shown
	var exit *hooks.ExitError
	switch {
	case errors.As(err, &exit):
		if exit.Code != 0 {
			termlog.PrintError(os.Stderr, "vassal", err)
		}
		os.Exit(exit.Code)
	case err == nil, errors.Is(err, vassal.ErrWithdrawn):
	case errors.As(err, &shown):
		fmt.Print(shown.Text)
	case errors.Is(err, config.ErrHelp):
		_ = config.VassalHelp(os.Stdout, err)
	case errors.Is(err, config.ErrVersion):
		fmt.Println("vassal", config.Version)
	default:
		termlog.PrintError(os.Stderr, "vassal", err)
		if errors.Is(err, vassal.ErrUsage) {
			os.Exit(exitUsage)
		}
		os.Exit(exitFailed)
	}
}

func run() error {
	self, server, parser, err := vassal.Programs()
	if err != nil {
		return err
	}
	v := &vassal.Vassal{
		Parse: func(held bool) (*config.Vassal, config.Problems, error) {
			own := config.Own(foreign.Ask(parser))
			own.Held = held
			return own.ParseVassalArgs(os.Args[1:])
		},
		Fallback:      func() string { return config.Own(foreign.Ask(parser)).FallbackOfArgs(os.Args[1:]) },
		ServerProgram: server, ParserProgram: parser, SelfProgram: self, TwinProgram: vassal.Twin(),
		Log: logger(),
	}
	return v.Run(context.Background())
}

func logger() *slog.Logger {
	return slog.New(termlog.New(os.Stderr, termlog.Options{Marks: termlog.Marked()}))
}
