package monitor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/claims"
	"github.com/emperor-go/emperor/pkg/emperor/reads"
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
	// grace is how long a report waits for reads that do not end, while no other does.
	grace = 250 * time.Millisecond
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
	// Claims keep other emperors from the files. Nil: none are kept away.
	Claims *claims.Registry
	// Reads bounds the looks at files. Nil: the monitor has a pool of its own.
	Reads *reads.Pool
	// Log gets a line when the directory cannot be read, and when it can again.
	// Required.
	Log *slog.Logger
}

// files is the common part of the monitors of files: the state of each file, and the time
// of the next look. One goroutine uses it, but for Rescan. That goroutine never touches
// a file: looks run beside it, and hand in their results.
type files struct {
	options  DirOptions
	ctx      context.Context // of Run
	watch    *watcher        // nil: no events, look every so often
	entries  map[string]*entry
	homes    map[string]home   // of each directory that was read, where it was
	troubles map[string]string // of each that cannot be read, why, as it was logged
	hints    chan []hint
	found    chan func()    // results of looks, to be taken in
	awaited  map[*look]bool // looks for which the next report waits
	news     bool           // the set has changed since the last report
	due      bool           // there is something to look at now
	reported bool           // there has been a report
	failure  error          // of the first look
	programs chan struct{}  // places of executable files that run
	running  sync.WaitGroup // of them
	asked    chan struct{}  // a client wants a full look; holds one
	claims   *claims.Holder
	single   bool // each file is claimed, when it is found
}

// maxPrograms is how many executable files run at a time.
const maxPrograms = 8

func newFiles(o DirOptions) files {
	if len(o.Extensions) == 0 {
		o.Extensions = []string{".ini"}
	}
	if o.Reads == nil {
		o.Reads = reads.New()
	}
	return files{
		options: o, entries: map[string]*entry{}, homes: map[string]home{}, troubles: map[string]string{},
		hints: make(chan []hint), found: make(chan func()), awaited: map[*look]bool{},
		programs: make(chan struct{}, maxPrograms), asked: make(chan struct{}, 1),
		claims: o.Claims.NewHolder(),
	}
}

// Rescan asks for a full look at once. It never blocks, may be called by any goroutine
// at any time, and asking again before the look has begun changes nothing.
func (f *files) Rescan() {
	select {
	case f.asked <- struct{}{}:
	default:
	}
}

// open starts to listen for events; without any, files are looked at all the same.
func (f *files) open(ctx context.Context, path string) {
	f.ctx = ctx
	w, err := newWatcher()
	if err != nil {
		f.options.Log.Warn("no events: looking every second", "path", path, "error", err)
		return
	}
	f.watch = w
	go forward(ctx, w, f.hints)
}

// close ends the programs and the events of the monitor. It does not wait for reads.
func (f *files) close() {
	f.running.Wait()
	if f.watch != nil {
		f.watch.close()
	}
}

// source says which files there are.
type source interface {
	// mark notes the subjects of the hints and reports whether there are any. The
	// empty hint is about everything.
	mark(hints []hint) bool
	// look begins to look at everything that was marked.
	look()
	// tidy is called when a look is over.
	tidy()
	// blind reports whether changes make no events.
	blind() bool
}

// loop looks at s, reports the set, and looks again until ctx ends. It fails
// when the first look does.
func (f *files) loop(ctx context.Context, s source, report func(Set)) error {
	var (
		quiet  = time.NewTimer(lookout) // when the next look is due
		slow   = time.NewTimer(grace)   // when a report no longer waits for reads
		since  time.Time                // when the first mark since the last look was made
		rescan <-chan time.Time
	)
	defer quiet.Stop()
	defer slow.Stop()
	if f.options.Rescan > 0 {
		ticker := time.NewTicker(f.options.Rescan)
		defer ticker.Stop()
		rescan = ticker.C
	}
	f.due, f.news = true, true
	for {
		busy := len(f.awaited) > 0
		if f.due && !busy {
			f.due, since = false, time.Time{}
			s.look()
			slow.Reset(grace)
			continue
		}
		if f.failure != nil {
			return f.failure
		}
		if f.news && !busy {
			f.news, f.reported = false, true
			report(f.set())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rescan:
			f.lookAtAll(s)
		case <-f.asked:
			f.lookAtAll(s)
		case batch := <-f.hints:
			if s.mark(batch) {
				if since.IsZero() {
					since = time.Now()
				}
				quiet.Reset(min(settle, max(0, settleMax-time.Since(since))))
			}
		case <-quiet.C:
			f.due = true
		case takeIn := <-f.found:
			takeIn()
			slow.Reset(grace)
		case <-slow.C:
			f.abandon()
		}
		if over := busy && len(f.awaited) == 0; over {
			slow.Stop()
			s.tidy()
			if next := f.next(s.blind()); since.IsZero() && next > 0 {
				quiet.Reset(next)
			}
		}
	}
}

func (f *files) lookAtAll(s source) {
	f.due = s.mark([]hint{{}}) || f.due
	for name, e := range f.entries {
		if e.busy {
			f.options.Log.Warn("the file is still open for writing; it is read when its writer closes it", "file", name)
		}
	}
}

// next is how long until a look is due without an event; zero means never.
func (f *files) next(blind bool) time.Duration {
	var next time.Duration
	if blind {
		next = lookout
	}
	for _, e := range f.entries {
		var left time.Duration
		switch {
		case !e.missing.IsZero():
			left = max(time.Millisecond, absence-time.Since(e.missing))
		case e.denied:
			left = lookout
		default:
			continue
		}
		if next == 0 || left < next {
			next = left
		}
	}
	return next
}

// watchOnly ends the watch on all but the wanted directories.
func (f *files) watchOnly(wanted map[string]bool) {
	for _, dir := range f.watch.list() {
		if !wanted[dir] {
			f.watch.remove(dir)
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
