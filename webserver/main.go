package webserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent trades a little time for memory: there is a server for each vassal.
const gcPercent = 50

const usage = `Usage: vassal-server [OPTION…]

The built-in server of a vassal, without a vassal.

  --http-socket ADDRESS                 listen for HTTP on :PORT, HOST:PORT or a path
  --uwsgi-socket ADDRESS                listen for the uwsgi protocol
  --fastcgi-socket ADDRESS              listen for FastCGI
`

// askedVersion reports a command line that asks for the version only.
func askedVersion(args []string) bool { return len(args) == 1 && args[0] == "--version" }

// Main is the program vassal-server, with the command line of this process. It ends the process.
func Main() {
	outset.Stack()
	outset.Conceal()
	outset.Signals()
	if askedVersion(os.Args[1:]) {
		fmt.Fprintln(os.Stdout, version.Line("vassal-server"))
		return
	}
	debug.SetGCPercent(gcPercent)
	termlog.OutliveReader()
	if o, err := serving.InheritedSole(); o != nil || err != nil {
		mainSole(o, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	context.AfterFunc(ctx, stop)                           // a second signal ends the process at once
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // not ignored: programs would inherit that
	stderr := termlog.Own()
	startupError, err := serving.StartupError()
	if err == nil {
		err = runWith(ctx, os.Args[1:], startupError, &Config{Log: termlog.OwnLog(stderr), AccessLog: stderr})
	}
	code := reportEnd(stderr, startupError, err)
	stderr.Flush(termlog.LastWords)
	os.Exit(code)
}

// mainSole is Main for the only process of a vassal.
func mainSole(o *serving.Options, err error) {
	stderr, code := termlog.Own(), 0
	if err == nil {
		err = runSole(o, stderr)
	}
	if err != nil {
		termlog.PrintError(stderr, "vassal", err)
		code = exitFailed
	}
	stderr.Flush(termlog.LastWords)
	os.Exit(code)
}

// reportEnd prints an error, or the help, and returns the exit code. Where there is a pipe for startup errors, the
// master gets the error and prints it.
func reportEnd(stderr io.Writer, startupError *os.File, err error) (code int) {
	var mistake usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errHelp):
		printHelp()
		return 0
	}
	code = exitFailed
	if errors.As(err, &mistake) {
		code = exitUsage
	} else if _, failed := fmt.Fprint(startupError, err); failed == nil {
		return code
	}
	termlog.PrintError(stderr, "vassal-server", err) // startupError is nil or closed
	return code
}

// closeWhenReady passes states on to notify, and closes the pipe for startup errors with the first.
func closeWhenReady(startupError *os.File, notify func(string)) func(string) {
	if notify == nil {
		return nil
	}
	return func(state string) {
		_ = startupError.Close()
		notify(state)
	}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

var errHelp = errors.New("help asked for")

const (
	// firstThreads is how many threads a server has from its first request on: for
	// busyRequests in long system calls, and one more. Each takes 17 kB, and a server
	// without requests has fewer.
	firstThreads = busyRequests + 1
	// rushThreads is how many a server has, in addition to one for each processor, after it
	// has been busy once.
	rushThreads = 16
)

// rush prepares the server for many requests at the same time, if the kernel has the threads
// for that. More processors come after the threads: they need some themselves.
func rush() bool {
	if !outset.Grow(rushThreads) {
		return false
	}
	runtime.SetDefaultGOMAXPROCS()
	if outset.Grow(rushThreads + runtime.GOMAXPROCS(0)) {
		return true
	}
	runtime.GOMAXPROCS(1)
	return false
}

// hasten gives a server that began with few threads all threads that it will need.
func hasten(c *Config) {
	if goprocs.Started() {
		c.First = func() { go outset.Grow(firstThreads) } // not before the first answer
		c.Busy = rush
	}
}

// runWith serves with a configuration that has its logs.
func runWith(ctx context.Context, args []string, startupError *os.File, c *Config) error {
	c.Notify = closeWhenReady(startupError, notifier(c.Log))
	hasten(c)
	options, err := serving.Inherited()
	if err != nil {
		return err
	}
	if options != nil {
		c.Options = *options
	}
	if c.SharedStats, err = serving.SharedStats(); err != nil {
		return err
	}
	if c.Sockets, err = inherited(); err != nil {
		return err
	}
	if err := parseArgs(args, c); err != nil {
		return err
	}
	if len(c.Sockets) == 0 {
		return usageError{errors.New("no socket to serve: give --http-socket")}
	}
	return Serve(ctx, c)
}

// parseArgs parses the command line without package flag, which would make every vassal's start
// slower.
func parseArgs(args []string, c *Config) error {
	for len(args) > 0 {
		arg, value, given := strings.Cut(args[0], "=")
		args = args[1:]
		name, dashed := strings.CutPrefix(arg, "--")
		row := serving.Rows.Find(name)
		switch {
		case arg == "--help", arg == "-h":
			return errHelp
		case !dashed || row == nil && !slices.Contains(socketNames, name):
			return usageError{fmt.Errorf("unknown option %s (--help lists them)", arg)}
		case given:
		case row != nil && !row.NeedsValue():
		case len(args) == 0:
			return usageError{fmt.Errorf("%s needs a value", arg)}
		default:
			value, args = args[0], args[1:]
		}
		if row == nil {
			if err := listenAt(c, name, value); err != nil {
				return err
			}
		} else if err := c.Options.Put(row, option.Value{Text: value, Expression: isExpression}); err != nil {
			return usageError{fmt.Errorf("%s: %w", arg, err)}
		}
	}
	return nil
}

// isExpression returns an error for a text that is no regular expression.
func isExpression(text string) error {
	_, err := regexp.Compile(text)
	return err
}

// socketNames are the options that open one.
var socketNames = []string{"http-socket", "uwsgi-socket", "fastcgi-socket"}

// listenAt opens a socket. An address that cannot be bound is not a mistake of the command line.
func listenAt(c *Config, name, address string) error {
	if address == "" {
		return usageError{fmt.Errorf("--%s needs a value", name)}
	}
	s, err := listen(name, address)
	if err != nil {
		return fmt.Errorf("--%s: %w", name, err)
	}
	c.Sockets = append(c.Sockets, s)
	return nil
}

func printHelp() {
	fmt.Fprint(os.Stdout, usage)
	for row := range serving.Rows.All {
		fmt.Fprintf(os.Stdout, "  %-36s  %s\n", strings.TrimSpace("--"+row.Name+" "+row.Arg), row.Help)
	}
	fmt.Fprintln(os.Stdout, "  --version")
	fmt.Fprintln(os.Stdout, "  --help")
}
