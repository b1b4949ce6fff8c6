// Package emperord is the emperor program, to be run as it is or with parts of one's own: its
// options, its commands and its daemon.
//
//	func main() { emperord.Main(emperord.Additions{}) }
//
// is emperor. Import of this package keeps the first goroutine on the first thread.
package emperord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/cli"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/optiondocs"
	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
)

// The first thread belongs to main alone.
func init() { runtime.LockOSThread() }

// Main runs the program with the arguments of the process and with additions, and ends the process: exit code
// 0 after a stop, 1 after an error, 2 after a mistake on the command line. It is called by main, and keeps the
// first thread of the process free of other work. The kernel delivers the signals of the process to it first
// (signal(7)), and while it hangs in a file system no thread gets them.
func Main(a Additions) {
	outset.Signals()
	if code, is := cli.Helper(); is {
		os.Exit(code)
	}
	go func() { os.Exit(program(os.Args[1:], a)) }()
	select {}
}

// program runs a command, or the emperor, and returns the exit code.
func program(args []string, a Additions) int {
	config.PermitMonitors(slices.Collect(maps.Keys(a.Monitors))...)
	if command, ok := cli.CommandLine(args); ok {
		return cli.Run(command, os.Stdout, os.Stderr)
	}
	options, warnings, err := config.Loader{Permissions: config.FullPermissions(parser.Parse, direct.Means())}.Emperor(args)
	if err != nil {
		for _, w := range warnings {
			fmt.Fprintln(os.Stderr, "emperor: warning:", w)
		}
	}
	if errors.Is(err, config.ErrVersion) {
		cli.PrintVersion(os.Stdout)
		return 0
	}
	if optiondocs.Answer(os.Stdout, "emperor", cli.Help, err) {
		return 0
	}
	if err == nil {
		err = cli.Mistyped(options.Monitors, args)
	}
	if err != nil && len(args) == 0 {
		cli.Greet(os.Stderr)
		return cli.ExitUsage
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "emperor:", err)
		return cli.ExitUsage
	}
	if options.RuntimeDir == "" {
		options.RuntimeDir = cli.OwnRuntimeDir()
	}
	termlog.OutliveReader()
	return start(options, warnings, args, a)
}

// start runs the emperor, in the foreground or in the background, and returns its exit code.
func start(options *config.Emperor, warnings config.Problems, args []string, a Additions) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "emperor:", err)
		return cli.ExitFailed
	}
	if code, over, err := detach(options); err != nil {
		return fail(err)
	} else if over {
		return code
	}
	if err := becomeTwin(options); err != nil {
		return fail(err)
	}
	waiting := inForeground()
	ctx, hurry, release := untilSignal()
	defer release()
	stderr, err := ownLog(options)
	if err != nil {
		if waiting.failed(err) {
			return cli.ExitFailed
		}
		return fail(err)
	}
	defer stderr.Close(logEnd)
	from, _ := os.Getwd()
	level := &slog.LevelVar{}
	level.Set(options.LogLevel)
	around := outside{args, hurry, stderr, level, from, os.Environ(), waiting.ready}
	if err := run(ctx, around, options, a, append(warnings, stays(options)...)); err != nil {
		fmt.Fprintln(stderr, "emperor:", err)
		waiting.failed(err)
		return cli.ExitFailed
	}
	return 0
}

// sameWish is the time in which further stop signals count as the first: timeout(1) signals
// both the process and its group, and a shell script may pass on a terminal's Ctrl-C as well.
const sameWish = 200 * time.Millisecond

// untilSignal returns a context that ends with the first stop signal, and a channel that
// delivers each further one, except those within sameWish. release ends both, and waits.
func untilSignal() (_ context.Context, _ <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	hurry := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	var listening sync.WaitGroup
	over := make(chan struct{})
	listening.Go(func() {
		<-signals
		cancel()
		impatient(signals, hurry, over)
	})
	return ctx, hurry, func() {
		signal.Stop(signals)
		close(over)
		close(signals)
		listening.Wait()
	}
}

// impatient passes on each further signal of the operator. Signals that arrive together with the
// first count as one with it. It returns when signals is closed, and drops signals once over is closed.
func impatient(signals <-chan os.Signal, hurry chan<- struct{}, over <-chan struct{}) {
	began := time.Now()
	for range signals {
		if time.Since(began) >= sameWish {
			select {
			case hurry <- struct{}{}:
			case <-over:
			}
		}
	}
}
