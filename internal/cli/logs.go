package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/readable"
)

// logsCommand prints the output of vassals.
func logsCommand() *cobra.Command {
	l := &logging{most: 100, level: "debug"}
	c := operate(&cobra.Command{
		Use: "logs [NAME…]", Short: "print the last output of vassals, and follow it", Args: cobra.ArbitraryArgs,
		Long: "Prints the last lines of output of the named vassals, or of all vassals, wherever their log is. Lines of several vassals are\n" +
			"sorted by time and begin with the name. The emperor keeps 256 lines or 32 kB of each vassal.\n" +
			"With -o json it prints one object per line. On a terminal it uses $EMPEROR_PAGER, $PAGER or less (EMPEROR_PAGER=cat: none)." + namesHelp,
	}, func(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
		if l.follow {
			return l.run(ctx, o, c, words)
		}
		return paged(c, func() error { return l.run(ctx, o, c, words) })
	})
	f := c.Flags()
	f.BoolVarP(&l.follow, "follow", "f", false, "follow new output")
	f.IntVarP(&l.most, "lines", "n", l.most, "print the last `N` lines of each vassal")
	f.Var(&l.since, "since", "only lines since this `TIME`: an age such as 10m, or a time such as 2026-11-30T08:00:00Z or 08:00")
	f.Var(&l.until, "until", "only lines until this `TIME`")
	f.StringVarP(&l.grep, "grep", "g", "", "only lines that match this regular `EXPRESSION`")
	f.StringVar(&l.level, "level", l.level, "only lines of this `LEVEL` or above: "+strings.Join(levels, ", "))
	l.form.flag(c)
	_ = c.RegisterFlagCompletionFunc("level", cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// streamForm is the option of a command for the form of its lines: text or json.
type streamForm string

// flag gives a command the option.
func (f *streamForm) flag(c *cobra.Command) {
	c.Flags().StringVarP((*string)(f), "output", "o", "text", "`FORM` of the output: text or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// choose puts the option into effect.
func (f *streamForm) choose(o *operator, command string) error {
	if *f != "text" && *f != "json" {
		return exitError{fmt.Errorf("%s: --output: %q is neither text nor json", command, *f), ExitUsage}
	}
	o.asJSON = o.asJSON || *f == "json"
	return nil
}

var levels = []string{"debug", "info", "warn", "error"}

// logging has the options of the command logs.
type logging struct {
	follow       bool
	most         int
	since, until moment
	grep, level  string
	form         streamForm

	expression *regexp.Regexp // nil: every line matches
	least      slog.Level
}

// prepare checks the options.
func (l *logging) prepare(o *operator) (err error) {
	if l.expression, err = regexp.Compile(l.grep); err != nil {
		return exitError{fmt.Errorf("logs: --grep: %w", err), ExitUsage}
	}
	if !slices.Contains(levels, strings.ToLower(l.level)) {
		return exitError{fmt.Errorf("logs: --level: %q is none of %s", l.level, strings.Join(levels, ", ")), ExitUsage}
	}
	if err := l.form.choose(o, "logs"); err != nil {
		return err
	}
	return l.least.UnmarshalText([]byte(l.level))
}

func (l *logging) run(ctx context.Context, o *operator, c *cobra.Command, words []string) error {
	if err := l.prepare(o); err != nil {
		return err
	}
	query := url.Values{"follow": {strconv.FormatBool(l.follow)}, "lines": {strconv.Itoa(l.most)}}
	if single(words) {
		return o.follow(ctx, of(words[0], "/logs?"+query.Encode()), func(line json.RawMessage) error { return l.print(o, c, line, 0) })
	}
	names, err := o.names(ctx, words) // a pattern must match an existing vassal
	if err != nil {
		return err
	}
	width := 1
	for _, name := range names {
		width = max(width, runewidth.StringWidth(readable.Clean(name)))
	}
	query["vassal"] = words
	return o.follow(ctx, "/logs?"+query.Encode(), func(line json.RawMessage) error { return l.print(o, c, line, width) })
}

// print prints a line that the options select. A width above 0 puts the name of the vassal first.
func (l *logging) print(o *operator, c *cobra.Command, line json.RawMessage, width int) error {
	var v output.VassalLine
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	if v.Lost > 0 {
		c.PrintErrf("(%d lines were missed)\n", v.Lost)
	}
	switch {
	case !l.until.IsZero() && v.Time.After(l.until.Time), v.Time.Before(l.since.Time), v.Level < l.least, !l.expression.MatchString(v.Text):
		return nil
	}
	return o.line(c, line, func(json.RawMessage) (string, error) {
		v.Text = readable.Clean(v.Text)
		text := logText(v.Line)
		if width > 0 {
			text = runewidth.FillRight(readable.Clean(v.Vassal), width) + " " + text
		}
		return text, nil
	})
}

// moment is a time on a command line.
type moment struct{ time.Time }

// Set implements pflag.Value.
func (m *moment) Set(text string) error {
	if d, err := time.ParseDuration(text); err == nil {
		m.Time = time.Now().Add(-d)
		return nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	for _, form := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			now := time.Now()
			m.Time = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)
			return nil
		}
	}
	return fmt.Errorf("%q is neither an age nor a time", text)
}

// String implements pflag.Value.
func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// Type implements pflag.Value.
func (m *moment) Type() string { return "time" }
