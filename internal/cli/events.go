package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/output"
)

// eventsCommand prints transitions and notes.
func eventsCommand() *cobra.Command {
	var follow bool
	c := operate(&cobra.Command{
		Use: "events [--follow] [NAME]", Short: "print past events of vassals, and follow new ones", Args: cobra.MaximumNArgs(1),
		Long: "Prints past events of a vassal, or of all: transitions between states (docs/states.md lists them), hooks that\n" +
			"ran, reloads with the reason of a failure, fallbacks, status messages. With --json, one object a line.",
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		query := url.Values{"follow": {strconv.FormatBool(follow)}}
		if len(args) == 1 {
			query.Set("vassal", args[0])
		}
		return o.follow(ctx, "/events?"+query.Encode(), func(line json.RawMessage) error {
			return o.line(c, line, eventText)
		})
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "follow new events")
	return c
}

// follow calls each with every line of a stream until that ends, ctx does, or standard output
// is a pipe or socket without a reader: the next line may come much later.
func (o *operator) follow(ctx context.Context, path string, each func(json.RawMessage) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if readerGone(os.Stdout) {
			cancel(errNoReader)
		}
	}()
	err := o.client().Stream(ctx, path, each)
	if errors.Is(context.Cause(ctx), errNoReader) {
		return errNoReader
	}
	return err
}

// errNoReader ends a command like SIGPIPE after a write to a pipe without a reader.
var errNoReader = failure{errQuiet, 128 + int(unix.SIGPIPE)}

// readerGone blocks until the reader of a pipe or socket has closed its end, which a file of
// another kind never reports. It returns false when poll(2) fails.
func readerGone(f *os.File) bool {
	for {
		polled := []unix.PollFd{{Fd: int32(f.Fd())}} // POLLERR and POLLHUP are always reported
		_, err := unix.Poll(polled, -1)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && polled[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
		}
	}
}

// line prints one line of a stream.
func (o *operator) line(c *cobra.Command, line json.RawMessage, text func(json.RawMessage) (string, error)) error {
	if o.asJSON {
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", line)
		return err
	}
	s, err := text(line)
	if err == nil {
		_, err = fmt.Fprintln(c.OutOrStdout(), s)
	}
	return err
}

func eventText(line json.RawMessage) (string, error) {
	var e control.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return "", err
	}
	text := ""
	if e.Lost > 0 {
		text = fmt.Sprintf("(%d events were missed)\n", e.Lost)
	}
	text += e.Time.Local().Format("15:04:05.000 ") + clean(e.Vassal) + ": "
	if e.What != control.AboutState {
		return text + string(e.What) + ": " + clean(e.Text), nil
	}
	text += fmt.Sprintf("%s -> %s generation=%d", e.From, e.To, e.Generation)
	if e.PID != 0 {
		text += fmt.Sprintf(" pid=%d", e.PID)
	}
	if e.Text != "" {
		text += " " + clean(e.Text)
	}
	return text, nil
}

// logsCommand prints the output of a vassal.
func logsCommand() *cobra.Command {
	var follow bool
	var lines int
	c := operate(&cobra.Command{
		Use: "logs [-f] [-n N] NAME", Short: "print the last output of a vassal, and follow it", Args: cobra.ExactArgs(1),
		Long: "Prints the last lines of a vassal, in any destination of its log. At most 256 lines and 32 kB of each vassal are kept.",
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		query := url.Values{"follow": {strconv.FormatBool(follow)}, "lines": {strconv.Itoa(lines)}}
		return o.follow(ctx, of(args[0], "/logs?"+query.Encode()), func(line json.RawMessage) error {
			return o.line(c, line, func(line json.RawMessage) (string, error) {
				var l output.Line
				err := json.Unmarshal(line, &l)
				if l.Lost > 0 {
					c.PrintErrf("(%d lines were missed)\n", l.Lost)
				}
				l.Text = clean(l.Text)
				return logText(l), err
			})
		})
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "follow new output")
	c.Flags().IntVarP(&lines, "lines", "n", 100, "print the last `N` lines")
	return c
}
