package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/readable"
)

// eventsCommand prints transitions and notes.
func eventsCommand() *cobra.Command {
	var follow bool
	var since moment
	var form streamForm
	var format eventFormat
	most := -1
	c := operate(&cobra.Command{
		Use: "events [--follow] [NAME…]", Short: "print past events of vassals, and follow new ones", Args: cobra.ArbitraryArgs,
		Long: "Prints past events of the named vassals, or of all vassals: transitions between states (see docs/states.md), hooks, reloads\n" +
			"with the reason of a failure, fallbacks and status messages.\n" +
			"With -o json it prints one object per line. With --format it prints one line per event by a template, such as\n" +
			"'{{.Vassal}} {{.To}}'. The fields are Time, Vassal, What, From, To, Generation, PID, Config, Text and Lost." + namesHelp,
	}, func(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
		if err := errors.Join(checkPatterns(words), form.choose(o, "events"), format.choose(o)); err != nil {
			return err
		}
		query := url.Values{"follow": {strconv.FormatBool(follow)}, "vassal": words}
		if most >= 0 {
			query.Set("lines", strconv.Itoa(most))
		}
		if !since.IsZero() {
			query.Set("since", since.Format(time.RFC3339Nano))
		}
		return o.follow(ctx, "/events?"+query.Encode(), func(line json.RawMessage) error {
			return o.line(c, line, format.text)
		})
	})
	f := c.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "follow new events")
	f.IntVarP(&most, "lines", "n", most, "print at most `N` past events; -1: all")
	form.flag(c)
	f.StringVar(&format.source, "format", "", "print each event by this `TEMPLATE` of Go (text/template)")
	f.Var(&since, "since", "only events since this `TIME`: an age such as 10m, or a time such as 2026-11-30T08:00:00Z or 08:00")
	return c
}

// follow calls each for every line of a stream. It returns when the stream or ctx ends, or when
// standard output is a pipe or socket whose reader has gone: the next line may come much later.
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

// errNoReader ends a command as SIGPIPE would after a write to a pipe without a reader.
var errNoReader = exitError{errQuiet, 128 + int(unix.SIGPIPE)}

// readerGone blocks until the reader of a pipe or socket has closed its end; files of other kinds
// never report that. It returns false when poll(2) fails.
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
	var e eventlog.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return "", err
	}
	text := ""
	if e.Lost > 0 {
		text = fmt.Sprintf("(%d events were missed)\n", e.Lost)
	}
	about := readable.Clean(e.Vassal)
	if about == "" {
		about = "emperor"
	}
	text += e.Time.Local().Format("15:04:05.000 ") + about + ": "
	if e.What != eventlog.AboutState {
		return text + string(e.What) + ": " + readable.Clean(e.Text), nil
	}
	text += fmt.Sprintf("%s -> %s generation=%d", e.From, e.To, e.Generation)
	if e.PID != 0 {
		text += fmt.Sprintf(" pid=%d", e.PID)
	}
	if e.Text != "" {
		text += " " + readable.Clean(e.Text)
	}
	return text, nil
}
