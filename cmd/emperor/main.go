// Command emperor supervises a vassal for each configuration file in its directories.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign/parser"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// The first thread belongs to main alone.
func init() { runtime.LockOSThread() }

// main keeps the first thread of the process free of other work: the kernel delivers the
// signals of the process to it first (signal(7)), and while it hangs in a file system no
// thread gets them.
func main() {
	if namespaces.IsVisitor() { // it enters namespaces, and drops its rights, on this thread
		begin()
		return
	}
	go func() {
		begin()
		os.Exit(0)
	}()
	select {}
}

func begin() {
	outset.Signals()
	switch {
	case namespaces.IsVisitor():
		os.Exit(visit())
	case os.Args[0] == guardName:
		os.Exit(guardTerminal())
	}
	if args, ok := commandLine(os.Args[1:]); ok {
		os.Exit(runCommand(args, os.Stdout, os.Stderr))
	}
	options, warnings, err := config.Own(parser.Parse).ParseEmperor(os.Args[1:])
	if err != nil {
		for _, w := range warnings {
			fmt.Fprintln(os.Stderr, "emperor: warning:", w)
		}
	}
	var shown config.Shown
	switch {
	case errors.As(err, &shown):
		fmt.Print(shown.Text)
		return
	case errors.Is(err, config.ErrHelp):
		_ = config.EmperorHelp(os.Stdout, err)
		return
	case errors.Is(err, config.ErrVersion):
		fmt.Println("emperor", config.Version)
		return
	case err == nil:
		err = mistyped(options.Monitors, os.Args[1:])
	}
	if err != nil && len(os.Args) == 1 {
		greet(os.Stderr)
		os.Exit(exitUsage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "emperor:", err)
		os.Exit(exitUsage)
	}
	if options.RuntimeDir == "" {
		options.RuntimeDir = ownRuntimeDir()
	}
	termlog.OutliveReader()
	os.Exit(govern(options, warnings))
}

// govern runs the emperor, in the foreground or in the background, and returns its exit code.
func govern(options *config.Emperor, warnings config.Problems) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "emperor:", err)
		return exitFailed
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
	ctx, hurry := untilSignal()
	stderr, err := ownLog(options)
	if err != nil {
		if waiting.failed(err) {
			return exitFailed
		}
		return fail(err)
	}
	defer stderr.Close(logEnd)
	from, _ := os.Getwd()
	level := &slog.LevelVar{}
	level.Set(options.LogLevel)
	if err := run(ctx, outside{hurry, stderr, level, from, os.Environ(), waiting.ready}, options, append(warnings, stays(options)...)); err != nil {
		fmt.Fprintln(stderr, "emperor:", err)
		waiting.failed(err)
		return exitFailed
	}
	return 0
}

// sameWish is the time in which further stop signals count as the first: timeout(1) signals
// both the process and its group, and a shell script may pass on a terminal's Ctrl-C as well.
const sameWish = 200 * time.Millisecond

// untilSignal returns a context that ends with the first stop signal, and a channel that
// delivers each further one, except those within sameWish.
func untilSignal() (context.Context, <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	hurry := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	go func() {
		<-signals
		cancel()
		impatient(signals, hurry)
	}()
	return ctx, hurry
}

// impatient passes on all signals except those that come with the first.
func impatient(signals <-chan os.Signal, hurry chan<- struct{}) {
	began := time.Now()
	for range signals {
		if time.Since(began) >= sameWish {
			hurry <- struct{}{}
		}
	}
}
