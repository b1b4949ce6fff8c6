// Command vassal-server is the built-in web server of a vassal, which starts it
// with the sockets. By hand: vassal-server --http-socket :8080 --static-map /=DIR.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/vassal/server"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer stop()
	signal.Ignore(syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return
	}
	fmt.Fprintln(os.Stderr, "vassal-server:", err)
	var u usageError
	if errors.As(err, &u) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func run(ctx context.Context, args []string) error {
	flags := pflag.NewFlagSet("vassal-server", pflag.ContinueOnError)
	maps := flags.StringArray("static-map", nil, "serve a directory: /mount=dir (repeatable)")
	addresses := flags.StringArray("http-socket", nil, "listen on an address, beside the descriptors of LISTEN_FDS (repeatable)")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	o := server.Options{Log: slog.New(termlog.New(os.Stderr, termlog.Options{}))}
	for _, m := range *maps {
		s, err := server.ParseStatic(m)
		if err != nil {
			return usageError{err}
		}
		o.Static = append(o.Static, s)
	}
	told, err := serving.Inherited()
	if err != nil {
		return err
	}
	if told != nil {
		for _, m := range told.StaticMaps {
			o.Static = append(o.Static, server.Static{Mount: m.Mount, Dir: m.Dir})
		}
	}
	if o.Listeners, err = server.Inherited(); err != nil {
		return err
	}
	for _, a := range *addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		o.Listeners = append(o.Listeners, l)
	}
	if len(o.Listeners) == 0 || len(o.Static) == 0 {
		return usageError{errors.New("nothing to serve: give --http-socket and --static-map")}
	}
	return server.Serve(ctx, o)
}
