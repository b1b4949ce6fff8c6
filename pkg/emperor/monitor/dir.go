package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const (
	// settle is how long a directory must be quiet before it is read: programs
	// change a file in several steps, and all of them are one change.
	settle = 10 * time.Millisecond
	// settleMax bounds the wait where it never gets quiet.
	settleMax = 100 * time.Millisecond
	// absence is how long a name must be gone before its vassal is: editors move
	// a file away and write a new one.
	absence = 100 * time.Millisecond
	// lookout is the time between looks while events cannot be had.
	lookout = time.Second
)

// DirOptions configures a directory monitor.
type DirOptions struct {
	// Rescan is the time between full looks, the safety net under the events.
	// Zero means never.
	Rescan time.Duration
	// Extensions that make a file a configuration, with their dot. Empty means
	// .ini alone.
	Extensions []string
	// NoFollow: a symbolic link changes when it is touched itself or leads elsewhere,
	// not when the file at its end changes.
	NoFollow bool
	// MagicExec: a file that may be executed is, and its output is the configuration.
	// It must belong to root or to this process's user.
	MagicExec bool
	// Log gets a line when the directory cannot be read, and when it can again.
	// Required.
	Log *slog.Logger
}

// Dir monitors a directory: each regular file in it with a known extension is a
// vassal, symbolic links followed. It learns of changes by inotify(7), also of
// those at the other end of a link. Names that start with a dot or end with a
// tilde are not looked at.
type Dir struct {
	path    string
	options DirOptions
	watch   *watcher // nil: no events, look every so often
	entries map[string]*entry
	dirty   map[string]bool // names to look at; the empty name: all
	links   map[place][]string
	trouble string        // why the directory cannot be read, as it was logged
	asked   chan struct{} // somebody wants a full look; holds one
}

// NewDir returns a monitor of the directory path. It fails when there is no such
// directory or it cannot be read.
func NewDir(path string, o DirOptions) (*Dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, err)
	}
	f, err := os.OpenFile(absolute, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, cause(err))
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err != nil && !isEOF(err) {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, cause(err))
	}
	if len(o.Extensions) == 0 {
		o.Extensions = []string{".ini"}
	}
	return &Dir{
		path: absolute, options: o, entries: map[string]*entry{}, dirty: map[string]bool{}, links: map[place][]string{},
		asked: make(chan struct{}, 1),
	}, nil
}

// String returns the absolute path of the directory.
func (d *Dir) String() string { return d.path }

// Rescan asks for a full look at once. It never blocks, may be called by anybody
// at any time, and asking again before the look has begun changes nothing.
func (d *Dir) Rescan() {
	select {
	case d.asked <- struct{}{}:
	default:
	}
}

// Run implements Monitor.
func (d *Dir) Run(ctx context.Context, report func(Set)) error {
	hints := make(chan []hint)
	if w, err := newWatcher(); err != nil {
		d.options.Log.Warn("no events: looking every second", "directory", d.path, "error", err)
	} else {
		d.watch = w
		defer w.close()
		go forward(ctx, w, hints)
	}
	d.dirty[""] = true
	if d.look(); d.trouble != "" {
		return fmt.Errorf("cannot monitor %q: %s", d.path, d.trouble)
	}
	report(d.set())
	d.loop(ctx, hints, report)
	return nil
}

func (d *Dir) loop(ctx context.Context, hints <-chan []hint, report func(Set)) {
	var (
		quiet  = time.NewTimer(lookout) // when the dirty names are looked at
		since  time.Time                // when the first of them became dirty
		rescan <-chan time.Time
	)
	defer quiet.Stop()
	plan := func() {
		if next := d.next(); next > 0 {
			quiet.Reset(next)
		} else {
			quiet.Stop()
		}
	}
	plan()
	if d.options.Rescan > 0 {
		ticker := time.NewTicker(d.options.Rescan)
		defer ticker.Stop()
		rescan = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-rescan:
			d.dirty[""] = true
			d.warnBusy()
		case <-d.asked:
			d.dirty[""] = true
			d.warnBusy()
		case batch := <-hints:
			if !d.mark(batch) {
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			quiet.Reset(min(settle, max(0, settleMax-time.Since(since))))
			continue
		case <-quiet.C:
		}
		since = time.Time{}
		if d.look() {
			report(d.set())
		}
		plan()
	}
}

// mark makes dirty what the hints are about and reports whether that is anything.
func (d *Dir) mark(hints []hint) bool {
	for _, h := range hints {
		switch {
		case h.entry == "":
			d.dirty[""] = true
		case h.dir == d.path && d.counts(h.entry):
			d.dirty[h.entry] = true
		}
		for _, name := range d.links[place(h)] {
			d.dirty[name] = true
		}
	}
	return len(d.dirty) > 0
}

// next is how long until a look is due without an event; zero means never.
func (d *Dir) next() time.Duration {
	var next time.Duration
	if d.watch == nil || d.trouble != "" || !d.watch.has(d.path) {
		next = lookout
		d.dirty[""] = true
	}
	for name, e := range d.entries {
		if e.missing.IsZero() {
			continue
		}
		d.dirty[name] = true
		if left := max(time.Millisecond, absence-time.Since(e.missing)); next == 0 || left < next {
			next = left
		}
	}
	return next
}

func (d *Dir) warnBusy() {
	for name, e := range d.entries {
		if e.busy {
			d.options.Log.Warn("the file is still open for writing; it is read when its writer closes it", "file", name)
		}
	}
}

// forward hands on hints until the watcher is closed or ctx ends.
func forward(ctx context.Context, w *watcher, out chan<- []hint) {
	buffer := make([]byte, 64<<10)
	for {
		hints, err := w.wait(buffer)
		if err != nil {
			return
		}
		select {
		case out <- hints:
		case <-ctx.Done():
			return
		}
	}
}
