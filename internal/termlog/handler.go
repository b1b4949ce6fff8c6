// Package termlog formats log records as lines for people, and turns streams of output into
// log records.
//
//	14:03:22.117 INFO  a.ini: starting -> running pid=4711 generation=1
package termlog

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Options of a handler.
type Options struct {
	// Level is the lowest level that is printed. Nil means info.
	Level slog.Leveler
	// Time prints the time of day at the start of each line. Programs whose reader adds a time
	// leave it out.
	Time bool
	// Marks prints the level as <N> at the start of each line instead of its name, as
	// sd-daemon(3) defines it, for readers that know it.
	Marks bool
	// Own is for lines that the emperor reads. It puts Separator between the message and its
	// attributes (Attrs separates them again), and a v into each mark.
	Own bool
	// Prefix is the key of the attribute that is printed before the message, as `value:
	// message`. Empty: none.
	Prefix string
}

// New returns a handler that writes each record to w as one line, in one Write. It escapes
// control characters, so that the output of a tenant cannot control the operator's terminal.
func New(w io.Writer, o Options) slog.Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return &handler{out: &output{w: w}, options: o}
}

type output struct {
	mu sync.Mutex
	w  io.Writer
}

type handler struct {
	out     *output
	options Options
	prefix  string
	attrs   string // already formatted
	group   string // "a.b."
}

// Enabled reports whether a record of a level is written.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.options.Level.Level() }

// WithGroup returns a handler that writes the name before the keys of later attributes.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.group += name + "."
	return &n
}

// WithAttrs returns a handler that adds the attributes, which are formatted once, to each line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	var b strings.Builder
	b.WriteString(n.attrs)
	for _, a := range attrs {
		n.add(&b, a, n.group)
	}
	n.attrs = b.String()
	return &n
}

// Handle writes a record as one line, in one call.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	line := *h // the prefix may come from the record
	var attrs strings.Builder
	r.Attrs(func(a slog.Attr) bool { line.add(&attrs, a, h.group); return true })
	var b strings.Builder
	if h.options.Time && !r.Time.IsZero() {
		b.WriteString(r.Time.Format("15:04:05.000 "))
	}
	b.WriteString(head(r.Level, h.options.Marks, h.options.Own))
	if line.prefix != "" {
		b.WriteString(line.prefix + ": ")
	}
	b.WriteString(printable(r.Message))
	if h.options.Own && len(h.attrs)+attrs.Len() > 0 {
		b.WriteString(Separator)
	}
	b.WriteString(h.attrs + attrs.String() + "\n")
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := io.WriteString(h.out.w, b.String())
	return err
}

func (h *handler) add(b *strings.Builder, a slog.Attr, group string) {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			h.add(b, member, group)
		}
	case group == "" && a.Key == h.options.Prefix && a.Key != "":
		h.prefix = printable(v.String())
	default:
		b.WriteString(" " + group + a.Key + "=" + quoted(text(v)))
	}
}

func text(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().Format(time.RFC3339Nano)
	}
	return v.String()
}

// quoted puts quotes around a value that would not be read back as one word.
func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=") || printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// printable escapes characters that are not printable.
func printable(s string) string {
	clean := func(r rune) bool { return r == '\t' || unicode.IsPrint(r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if (r == utf8.RuneError && size == 1) || !clean(r) {
			q := strconv.Quote(s[:size])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
