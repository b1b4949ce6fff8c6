package monitor

import (
	"context"
	"log/slog"
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

// DirOptions configures a monitor of files.
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

// files is what the monitors of files share: what is known of each file, and when
// to look again. One goroutine uses it, but for Rescan.
type files struct {
	options DirOptions
	watch   *watcher // nil: no events, look every so often
	entries map[string]*entry
	hints   chan []hint
	trouble string        // why the directory cannot be read, as it was logged
	asked   chan struct{} // somebody wants a full look; holds one
}

func newFiles(o DirOptions) files {
	if len(o.Extensions) == 0 {
		o.Extensions = []string{".ini"}
	}
	return files{options: o, entries: map[string]*entry{}, hints: make(chan []hint), asked: make(chan struct{}, 1)}
}

// Rescan asks for a full look at once. It never blocks, may be called by anybody
// at any time, and asking again before the look has begun changes nothing.
func (f *files) Rescan() {
	select {
	case f.asked <- struct{}{}:
	default:
	}
}

// open starts to listen for events; without any, files are looked at all the same.
func (f *files) open(ctx context.Context, path string) {
	w, err := newWatcher()
	if err != nil {
		f.options.Log.Warn("no events: looking every second", "path", path, "error", err)
		return
	}
	f.watch = w
	go forward(ctx, w, f.hints)
}

func (f *files) close() {
	if f.watch != nil {
		f.watch.close()
	}
}

// source says which files there are.
type source interface {
	// mark notes what the hints are about and reports whether that is anything. The
	// empty hint is about everything.
	mark(hints []hint) bool
	// look reads what was marked and reports whether the set has changed.
	look() (changed bool)
	// blind reports whether changes make no events.
	blind() bool
}

// loop reports what s has seen so far, and looks again until ctx ends.
func (f *files) loop(ctx context.Context, s source, report func(Set)) {
	var (
		quiet  = time.NewTimer(lookout) // when to look at what is marked
		since  time.Time                // when the first of it was marked
		rescan <-chan time.Time
	)
	defer quiet.Stop()
	plan := func() {
		if next := f.next(s.blind()); next > 0 {
			quiet.Reset(next)
		} else {
			quiet.Stop()
		}
	}
	if f.options.Rescan > 0 {
		ticker := time.NewTicker(f.options.Rescan)
		defer ticker.Stop()
		rescan = ticker.C
	}
	report(f.set())
	plan()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rescan:
			s.mark([]hint{{}})
			f.warnBusy()
		case <-f.asked:
			s.mark([]hint{{}})
			f.warnBusy()
		case batch := <-f.hints:
			if !s.mark(batch) {
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
		if s.look() {
			report(f.set())
		}
		plan()
	}
}

// next is how long until a look is due without an event; zero means never.
func (f *files) next(blind bool) time.Duration {
	var next time.Duration
	if blind {
		next = lookout
	}
	for _, e := range f.entries {
		if e.missing.IsZero() {
			continue
		}
		if left := max(time.Millisecond, absence-time.Since(e.missing)); next == 0 || left < next {
			next = left
		}
	}
	return next
}

func (f *files) warnBusy() {
	for name, e := range f.entries {
		if e.busy {
			f.options.Log.Warn("the file is still open for writing; it is read when its writer closes it", "file", name)
		}
	}
}

// failed notes that the directory cannot be read, and says so once.
func (f *files) failed(dir string, err error) {
	err = cause(err)
	if f.trouble == err.Error() {
		return
	}
	f.trouble = err.Error()
	f.options.Log.Warn("cannot read the directory; its vassals keep running", "directory", dir, "error", err)
}

// succeeded notes that it can, and says so when it could not.
func (f *files) succeeded(dir string) {
	if f.trouble != "" {
		f.options.Log.Info("the directory can be read again", "directory", dir)
		f.trouble = ""
	}
}

// watchOnly watches the wanted directories and no others.
func (f *files) watchOnly(wanted map[string]bool) {
	for _, dir := range f.watch.list() {
		if !wanted[dir] {
			f.watch.remove(dir)
		}
	}
	for dir := range wanted {
		if !f.watch.has(dir) {
			_ = f.watch.add(dir) // the rescan is the safety net
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
