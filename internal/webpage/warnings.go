package webpage

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/readable"
)

// maxWarnings is how many warnings are kept.
const maxWarnings = 50

// warning is a line of the emperor's log.
type warning struct {
	Time                time.Time
	Level, Vassal, Text string
}

// Warnings keeps the last warnings and errors of a log. It is safe for concurrent use.
type Warnings struct {
	mu   sync.Mutex
	list []warning
}

// Handler returns a handler that passes records to next, and keeps warnings.
func (w *Warnings) Handler(next slog.Handler) slog.Handler { return keeper{Handler: next, to: w} }

// last returns the warnings, the newest first.
func (w *Warnings) last() []warning {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.Clone(w.list)
	slices.Reverse(list)
	return list
}

func (w *Warnings) add(text warning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := append(w.list, text)
	w.list = list[max(0, len(list)-maxWarnings):]
}

// keeper is a handler that keeps warnings on their way.
type keeper struct {
	slog.Handler
	to    *Warnings
	attrs []slog.Attr
}

// Handle implements slog.Handler.
func (k keeper) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		k.to.add(k.warningOf(r))
	}
	return k.Handler.Handle(ctx, r)
}

func (k keeper) warningOf(r slog.Record) warning {
	w := warning{Time: r.Time, Level: r.Level.String(), Text: r.Message}
	put := func(a slog.Attr) bool {
		if a.Key == "vassal" {
			w.Vassal = readable.Clean(a.Value.String())
		} else {
			w.Text += " " + a.Key + "=" + a.Value.String()
		}
		return true
	}
	for _, a := range k.attrs {
		put(a)
	}
	r.Attrs(put)
	w.Text = text(w.Text)
	return w
}

// WithAttrs implements slog.Handler.
func (k keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	return keeper{k.Handler.WithAttrs(attrs), k.to, slices.Concat(k.attrs, attrs)}
}

// WithGroup implements slog.Handler.
func (k keeper) WithGroup(name string) slog.Handler {
	return keeper{k.Handler.WithGroup(name), k.to, k.attrs}
}
