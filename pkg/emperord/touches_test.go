package emperord

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/revision"
)

// A file of touch-reload is found when it is touched, in a directory that changes all the time,
// that is made later, and that is made again; not because it was there at the start.
func TestTouches(t *testing.T) {
	dir := t.TempDir()
	busy, later := filepath.Join(dir, "busy"), filepath.Join(dir, "later/file")
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(busy)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(busy, old, old); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	touches := newTouches([]string{busy, later}, reads.New(), slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); touches.watch(ctx) }()
	noise := make(chan struct{})
	go func() {
		defer close(noise)
		for ; ctx.Err() == nil; time.Sleep(settling / 4) {
			_ = os.WriteFile(filepath.Join(dir, "noise"), nil, 0o600)
		}
	}()
	found := func(want string) {
		t.Helper()
		select {
		case path := <-touches.files:
			if path != want {
				t.Errorf("%s, want %s", path, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s is not found", want)
		}
	}
	now := time.Now()
	if err := os.Chtimes(busy, now, now); err != nil {
		t.Fatal(err)
	}
	found(busy)
	for i := range 2 {
		ready := filepath.Join(dir, "ready")
		write(ready)
		at := now.Add(time.Duration(i) * time.Second) // the two may be made at the same time otherwise
		for _, err := range []error{os.Chtimes(ready, at, at), os.Mkdir(filepath.Dir(later), 0o700), os.Rename(ready, later)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		found(later)
		if err := os.RemoveAll(filepath.Dir(later)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case path := <-touches.files:
		t.Errorf("%s was not touched", path)
	case <-time.After(2 * settlingMax):
	}
	cancel()
	<-over
	<-noise
	if n := strings.Count(log.String(), "cannot watch files of touch-reload"); n < 1 || n > 3 { // before it is made, and where the absence was seen after a removal; never with each look
		t.Errorf("reported %d times:\n%s", n, log.String())
	}
}

// A file that has just changed counts once, when no later edit can have its revision.
func TestTouchedTwiceInOneTick(t *testing.T) {
	touches := newTouches([]string{"f"}, nil, nil)
	at := func(seconds int64, settled bool) content {
		return content{revision.Revision{Ino: 1, Modified: unix.Timespec{Sec: touches.begun.Unix() + seconds}}, settled}
	}
	for i, step := range []struct {
		now  content
		want bool
	}{
		{at(-9, true), false}, // from before the start
		{at(1, true), true},
		{at(1, true), false},
		{at(2, false), false}, // the second edit may follow
		{at(2, true), true},   // both
		{at(3, false), false},
		{at(3, false), true}, // a file that changes all the time counts, too
		{at(3, true), false},
		{content{settled: true}, false}, // removed
		{at(3, true), true},             // and there again
	} {
		if got := touches.touched("f", step.now); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
		if again := touches.again; again != (!step.now.settled && !step.want) {
			t.Errorf("step %d: the next look is soon: %v", i, again)
		}
		touches.again = false
	}
}
