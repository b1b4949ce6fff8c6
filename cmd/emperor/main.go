// Command emperor supervises a vassal for each configuration file in the
// directories it is given.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign/parser"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if args := os.Args[1:]; isCommand(args) {
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
	case err != nil:
		fmt.Fprintln(os.Stderr, "emperor:", err)
		os.Exit(exitUsage)
	}
	ctx, hurry := untilSignal()
	if err := run(ctx, hurry, options, warnings); err != nil {
		fmt.Fprintln(os.Stderr, "emperor:", err)
		os.Exit(exitFailed)
	}
}

// untilSignal returns a context that ends with the first signal to stop, and a
// channel that delivers each further one.
func untilSignal() (context.Context, <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	hurry := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	go func() {
		<-signals
		cancel()
		for range signals {
			hurry <- struct{}{}
		}
	}()
	return ctx, hurry
}
