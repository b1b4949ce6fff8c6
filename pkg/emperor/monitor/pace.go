package monitor

import "time"

const (
	// settle is how long a directory must be unchanged before it is read: programs change a
	// file in several steps, which are one change.
	settle = 10 * time.Millisecond
	// settleMax limits the wait for a directory that changes all the time.
	settleMax = 100 * time.Millisecond
	// hastyPause is the shortest time from a read to a hasty one, so that a program that
	// changes files all the time costs little.
	hastyPause = settle
)

// pace decides when a change is read: after a quiet time, because a program may write a file in
// several steps. A file that was renamed, or that is older than the quiet time, is complete.
// The first event after a pause therefore starts a hasty read at once, which accepts complete
// files and leaves all others for the read after the quiet time.
type pace struct {
	settle  time.Duration   // the quiet time
	most    time.Duration   // the longest wait for it
	since   time.Time       // of the first event that waits for a read; zero: none does
	last    time.Time       // when the last read began
	renamed map[string]bool // paths that files have got by a rename since then
	hasty   bool            // the next read is
	now     reading         // the present read, or the last one
}

// reading is one read of everything that has been marked.
type reading struct {
	hasty   bool
	left    bool            // it has left files for the next one
	renamed map[string]bool // paths of complete files
}

func newPace() pace { return pace{settle: settle, most: settleMax, renamed: map[string]bool{}} }

// arrive notes hints that mark something. It reports whether a read is due at once, and
// otherwise how long the directory has to be quiet before.
func (p *pace) arrive(hints []hint) (wait time.Duration, due bool) {
	for _, h := range hints {
		if h.renamed {
			p.renamed[h.place().path()] = true
		}
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
		p.hasty = now.Sub(p.last) >= hastyPause
	}
	return min(p.settle, max(0, p.most-now.Sub(p.since))), p.hasty
}

// quiet notes that the directory was quiet: all files count.
func (p *pace) quiet() { p.hasty = false }

// begin notes the begin of a read.
func (p *pace) begin() {
	p.now = reading{hasty: p.hasty, renamed: p.renamed}
	p.since, p.last, p.hasty, p.renamed = time.Time{}, time.Now(), false, map[string]bool{}
}

// end notes the end of a read. It reports whether another one is due after the quiet time.
func (p *pace) end() (more bool) {
	more = p.now.left
	p.now = reading{}
	if more && p.since.IsZero() {
		p.since = time.Now()
	}
	return more
}

// accepts reports whether a read counts a file with that path and time of modification. The
// clock of a file server may be ahead of ours.
func (r reading) accepts(path string, modified time.Time, settle time.Duration) bool {
	age := time.Since(modified)
	return !r.hasty || r.renamed[path] || age < 0 || age >= settle
}
