package monitor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/reads"
)

// lateSource has one file. All reads of it but the first answer when reports no longer wait for
// them.
type lateSource struct {
	*files
	result func() *entry
	reads  int
}

func (s *lateSource) mark([]hint) bool  { return true }
func (s *lateSource) updateWatches()    {}
func (s *lateSource) lacksEvents() bool { return false }

func (s *lateSource) readMarked() {
	s.reads++
	if s.reads == 1 {
		return
	}
	s.begin("a.ini", func(reads.At) func() {
		time.Sleep(2 * reportDelay)
		return func() { s.entries["a.ini"] = s.result() }
	}, nil, func() {})
}

// A file that cannot be used according to a late answer is read again, without an event.
func TestLateAnswerIsRetried(t *testing.T) {
	for name, result := range map[string]func() *entry{
		"denied":  func() *entry { return &entry{denied: true} },
		"missing": func() *entry { return &entry{missing: time.Now()} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFiles(DirOptions{Log: discard})
				ctx, cancel := context.WithCancel(t.Context())
				f.ctx = ctx
				s := &lateSource{files: &f, result: result}
				ended := make(chan error)
				go func() { ended <- f.loop(ctx, s, func(Set) {}) }()
				time.Sleep(time.Minute)
				f.Rescan()
				time.Sleep(time.Minute)
				cancel()
				<-ended
				if s.reads < 10 {
					t.Errorf("it was read %d times", s.reads)
				}
				time.Sleep(time.Minute) // the last read ends
			})
		})
	}
}
