// Command vassal-server is the built-in server of a vassal, which starts it with
// the sockets and the options. By hand it takes a few of them:
// vassal-server --http-socket :8080 --static-map /=DIR.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/vassal/server"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent trades a little time for memory: there is a server for each vassal.
const gcPercent = 50

const usage = `Usage: vassal-server [OPTION…]

The built-in server of a vassal. A vassal file has many more options.

  --http-socket ADDRESS      listen for HTTP on :PORT, HOST:PORT or a path
  --uwsgi-socket ADDRESS     listen for the uwsgi protocol
  --fastcgi-socket ADDRESS   listen for FastCGI
  --static-map /MOUNT=PATH   serve a directory or a file
  --cgi /MOUNT=PATH          run programs of a directory, or one program
  --http-to ADDRESS          pass what no file answers on to an HTTP server
  --help
`

func main() {
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	signal.Ignore(syscall.SIGHUP)
	termlog.OutliveReader()
	err := run(ctx, os.Args[1:])
	var mistake usageError
	switch {
	case err == nil:
		return
	case errors.Is(err, errHelp):
		fmt.Print(usage)
		return
	case errors.As(err, &mistake):
		fmt.Fprintln(os.Stderr, termlog.ErrorMark()+"vassal-server:", err)
		os.Exit(exitUsage)
	}
	fmt.Fprintln(os.Stderr, termlog.ErrorMark()+"vassal-server:", err)
	os.Exit(exitFailed)
}

// usageError is a mistake on the command line.
type usageError struct{ error }

var errHelp = errors.New("help asked for")

func run(ctx context.Context, args []string) error {
	log := slog.New(termlog.New(os.Stderr, termlog.Options{Marks: termlog.Marked()}))
	c := server.Config{Log: log, AccessLog: os.Stderr, Notify: server.Notifier(log)}
	if os.Getenv("GOMAXPROCS") == "1" {
		// The master starts us small, for an idle server pays for each processor.
		_ = os.Unsetenv("GOMAXPROCS")
		c.Busy = runtime.SetDefaultGOMAXPROCS
	}
	told, err := serving.Inherited()
	if err != nil {
		return err
	}
	if told != nil {
		c.Options = *told
	}
	if c.Board, err = serving.Board(); err != nil {
		return err
	}
	if c.Sockets, err = server.Inherited(); err != nil {
		return err
	}
	if err := parse(args, &c); err != nil {
		return err
	}
	if len(c.Sockets) == 0 {
		return usageError{errors.New("no socket to serve: give --http-socket")}
	}
	return server.Serve(ctx, c)
}

// parse reads the command line, without package flag, whose price every vassal
// would pay.
func parse(args []string, c *server.Config) error {
	for len(args) > 0 {
		name, value, given := strings.Cut(args[0], "=")
		args = args[1:]
		if name == "--help" || name == "-h" {
			return errHelp
		}
		if !given {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs a value", name)}
			}
			value, args = args[0], args[1:]
		}
		if err := set(c, name, value); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func set(c *server.Config, name, value string) error {
	mount, path, mapped := strings.Cut(value, "=")
	mapped = mapped && strings.HasPrefix(mount, "/") && path != ""
	m := serving.Map{Mount: mount, Dir: path}
	switch {
	case name == "--http-socket", name == "--uwsgi-socket", name == "--fastcgi-socket":
		s, err := server.Listen(name[2:], value)
		c.Sockets = append(c.Sockets, s)
		return err
	case name == "--http-to":
		c.Options.HTTPTo = append(c.Options.HTTPTo, value)
	case name == "--static-map" && mapped:
		c.Options.StaticMaps = append(c.Options.StaticMaps, m)
	case name == "--cgi" && mapped:
		c.Options.CGI = append(c.Options.CGI, m)
	case name == "--static-map", name == "--cgi":
		return fmt.Errorf("%s %q is not /MOUNT=PATH", name, value)
	default:
		return fmt.Errorf("unknown option %s (--help lists them)", name)
	}
	return nil
}
