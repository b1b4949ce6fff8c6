package monitor

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/reads"
)

const (
	// removalDelay is how long a name must be missing before its vassal is removed: editors move a
	// file away and write a new one.
	removalDelay = 100 * time.Millisecond
	// reportDelay is how long a report waits for reads that do not end, while no other does.
	reportDelay = 250 * time.Millisecond
	// blindInterval is the interval of polling without events.
	blindInterval = time.Second
	// busyPause is the pause before a file is read again that a program has open for writing:
	// fsnotify has no event when the program closes it. At most maxBusy files are read at a time,
	// because a tenant may keep any number of files open.
	busyPause = 20 * time.Millisecond
	maxBusy   = 8
)

// A Registry has the claims of this process on files. Only package emperord makes one.
type Registry = claims.Registry

// A Pool limits the reads of files that run at a time. Only package emperord makes one.
type Pool = reads.Pool

// DirOptions configures a monitor of files.
type DirOptions struct {
	// Rescan is the interval of full rescans, in addition to events. Zero means never.
	Rescan time.Duration
	// Extensions that make a file a configuration, with their dot. Empty means
	// .ini alone.
	Extensions []string
	// NoFollow: a symbolic link changes when it is touched itself or gets another target, not
	// when its target changes.
	NoFollow bool
	// MagicExec: an executable file is executed, and its output is the configuration. It must
	// belong to root or to this process's user.
	MagicExec bool
	// Owners are the rules for vassals that run as the owner of their file. Nil: they do not.
	Owners *Owners
	// Claims exclude other emperors from the files. Nil: no exclusion.
	Claims *Registry
	// Reads limits reads of files. Nil: the monitor has a pool of its own.
	Reads *Pool
	// Log gets a line when the directory cannot be read, and when it can again. Required.
	Log *slog.Logger
}

// files is the common part of the monitors of files: the state of each file, and the time of
// the next rescan. One goroutine uses it, except Rescan. That goroutine never touches a file:
// reads run outside it, and return their results.
type files struct {
	options DirOptions
	ctx     context.Context // of Run
	watch   *watcher        // nil: no events, poll periodically
	entries map[string]*entry
	memory  dirMemory
	hints   chan []hint
	results chan func() // results of reads, to be processed
	report  reporting
	pace    pace // when a change is read
	places  programPlaces
	asked   chan struct{} // a client wants a rescan; holds one
	claims  *claims.Holder
	retried time.Time // the last time that busy files were read again
	single  bool      // each file is claimed, when it is found
}

// dirMemory is the memory of the directories that were read.
type dirMemory struct {
	identities map[string]dirIdentity
	dirErrors  map[string]string // the logged error of each directory that cannot be read
}

// reporting is the way to the next report.
type reporting struct {
	awaited  map[*pendingRead]bool // reads for which it waits
	changed  bool                  // the set has changed since the last one
	due      bool                  // there is something to read now
	reported bool                  // there has been one
	failure  error                 // of the first rescan
}

// programPlaces are the places of executable files that run.
type programPlaces struct {
	programs chan struct{}
	running  sync.WaitGroup
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
		options: o, entries: map[string]*entry{}, memory: dirMemory{map[string]dirIdentity{}, map[string]string{}},
		hints: make(chan []hint), results: make(chan func()), report: reporting{awaited: map[*pendingRead]bool{}},
		places: programPlaces{programs: make(chan struct{}, maxPrograms)}, asked: make(chan struct{}, 1),
		claims: o.Claims.NewHolder(), pace: newPace(),
	}
}

// Rescan requests a full rescan now. It never blocks, and may be called by any goroutine at
// any time; a second request before the rescan has begun has no effect.
func (f *files) Rescan() {
	select {
	case f.asked <- struct{}{}:
	default:
	}
}

// open starts to listen for events; without them, files are polled.
func (f *files) open(ctx context.Context, path string) {
	f.ctx = ctx
	w, err := newWatcher(ctx, f.hints)
	if err != nil {
		f.options.Log.Warn("no events: polling every second", "path", path, "error", err)
		return
	}
	f.watch = w
}

// close ends the programs and the events of the monitor. It does not wait for reads.
func (f *files) close() {
	f.places.running.Wait()
	if f.watch != nil {
		f.watch.close()
	}
}

// source lists the files.
type source interface {
	// mark records the subjects of the hints and reports whether there are any. The empty hint
	// means everything.
	mark(hints []hint) bool
	// readMarked starts to read everything that was marked.
	readMarked()
	// updateWatches is called after a rescan.
	updateWatches()
	// lacksEvents reports whether changes make no events.
	lacksEvents() bool
}

// loop reads s, reports the set, and repeats until ctx ends. It fails when the first read
// does.
func (f *files) loop(ctx context.Context, s source, report func(Set)) error {
	var (
		quiet  = time.NewTimer(blindInterval) // when the next rescan is due
		slow   = time.NewTimer(reportDelay)   // when a report no longer waits for reads
		busy   = time.NewTimer(blindInterval) // when a file that was being written is read again
		rescan <-chan time.Time
	)
	defer quiet.Stop()
	defer slow.Stop()
	defer busy.Stop()
	if f.options.Rescan > 0 {
		ticker := time.NewTicker(f.options.Rescan)
		defer ticker.Stop()
		rescan = ticker.C
	}
	f.report.due, f.report.changed = true, true
	for {
		reading := len(f.report.awaited) > 0
		if f.report.due && !reading {
			f.report.due = false
			f.pace.begin()
			quiet.Stop()
			s.readMarked()
			slow.Reset(reportDelay)
			continue
		}
		if f.report.failure != nil {
			return f.report.failure
		}
		if f.report.changed && !reading {
			f.report.changed, f.report.reported = false, true
			report(f.set())
		}
		answered := false // a read has, or is not waited for any longer
		select {
		case <-ctx.Done():
			return nil
		case <-rescan:
			f.rescanAll(s)
		case <-f.asked:
			f.rescanAll(s)
		case batch := <-f.hints:
			if s.mark(batch) {
				wait, due := f.pace.arrive(batch)
				f.report.due = f.report.due || due
				quiet.Reset(wait)
			}
		case <-quiet.C:
			f.pace.quiet()
			f.report.due = true
		case <-busy.C:
			f.retryBusy()
		case takeIn := <-f.results:
			takeIn()
			slow.Reset(reportDelay)
			answered = true
		case <-slow.C:
			f.stopWaiting()
			answered = true
		}
		if answered && len(f.report.awaited) == 0 {
			slow.Stop()
			s.updateWatches()
			if f.pace.end() {
				quiet.Reset(f.pace.settle)
			} else if next := f.next(s.lacksEvents()); f.pace.since.IsZero() && next > 0 {
				quiet.Reset(next)
			}
			if next, some := f.nextBusy(); some {
				busy.Reset(next)
			}
		}
	}
}

func (f *files) rescanAll(s source) {
	f.report.due = s.mark([]hint{{}}) || f.report.due
	for name, e := range f.entries {
		if e.busy != nil {
			f.options.Log.Warn("the file is still open for writing; it is read when its writer closes it", "file", name)
		}
	}
}

// next returns how long until a rescan is due without an event; zero means never.
func (f *files) next(blind bool) time.Duration {
	var next time.Duration
	if blind {
		next = blindInterval
	}
	for _, e := range f.entries {
		var left time.Duration
		switch {
		case !e.missing.IsZero():
			left = max(time.Millisecond, removalDelay-time.Since(e.missing))
		case e.denied:
			left = blindInterval
		default:
			continue
		}
		if next == 0 || left < next {
			next = left
		}
	}
	return next
}

// retryBusy reads files again that programs have had open for writing, when it is time.
func (f *files) retryBusy() {
	f.retried = time.Now()
	var due []*entry
	for _, e := range f.entries {
		if e.busy != nil && time.Since(e.tried) >= busyPause {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int { return a.tried.Compare(b.tried) })
	for _, e := range due[:min(len(due), maxBusy)] {
		f.refresh(e.home, *e.busy)
	}
}

// nextBusy returns how long until the first of these files is read again.
func (f *files) nextBusy() (next time.Duration, some bool) {
	first := time.Now()
	for _, e := range f.entries {
		if e.busy != nil {
			some = true
			if e.tried.Before(first) {
				first = e.tried
			}
		}
	}
	if first.Before(f.retried) {
		first = f.retried
	}
	return max(0, busyPause-time.Since(first)), some
}

// watchOnly ends the watch on all but the wanted directories.
func (f *files) watchOnly(wanted map[string]bool) {
	for _, dir := range f.watch.list() {
		if !wanted[dir] {
			f.watch.remove(dir)
		}
	}
}
