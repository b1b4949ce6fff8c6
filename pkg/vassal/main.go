package vassal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/internal/optiondocs"
	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Exit codes.
const (
	exitFailed = 1 // the vassal could not boot
	exitUsage  = 2 // the command line is wrong, or a file that it names
)

// Main is the vassal program, with the command line of this process. It ends the process. The
// caller is the main goroutine, locked to the main thread: the death signals of workers belong
// to the thread that starts them, which must be the one that ends last (prctl(2)).
func Main() {
	outset.Stack()
	outset.Conceal()
	outset.Signals()
	if bootlist.IsServer() {
		serveForks()
	}
	if os.Args[0] == workers.StageName {
		outset.Mortal()
	}
	if namespaces.IsVisitor() {
		if err := hooks.Joined(); err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(exitFailed)
		}
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "--pty-connect" {
		fmt.Fprintln(os.Stderr, "vassal: cannot attach:", attach(os.Args[2]))
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
		err = start(log, printed)
	}
	code := report(stderr, err)
	printed()
	os.Exit(code)
}

// serveForks makes this process the one that forks vassals for an emperor. It does not return.
func serveForks() {
	if err := bootlist.Serve(); err != nil {
		fmt.Fprintln(os.Stderr, "vassal:", err)
		os.Exit(exitFailed)
	}
	os.Exit(0)
}

// start boots a vassal with the command line of this process.
func start(log *slog.Logger, printed func()) error {
	own, err := findPrograms()
	if err != nil {
		return err
	}
	v := newVassal(input{args: os.Args[1:], log: log, printed: printed, exit: os.Exit}, own)
	return v.run(context.Background())
}

// report prints an error, or the answer to a question, and returns the exit code.
func report(stderr io.Writer, err error) (code int) {
	if optiondocs.Answer(os.Stdout, "vassal", optiondocs.VassalHelp, err) {
		return 0
	}
	var exit *hooks.ExitError
	switch {
	case err == nil, errors.Is(err, wire.ErrWithdrawn):
		return 0
	case errors.As(err, &exit):
		code = exit.Code
	case errors.As(err, &usageError{}):
		code = exitUsage
	default:
		code = exitFailed
	}
	if code != 0 {
		termlog.PrintError(stderr, "vassal", err)
	}
	return code
}
