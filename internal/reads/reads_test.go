package reads

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/sys/mountinfo"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hung is a set of file systems, one for each directory in the root, whose files do not answer
// before it is released.
type hung struct {
	*Pool
	release chan struct{}
	begun   atomic.Int32
}

func newHung() *hung {
	h := &hung{Pool: New(), release: make(chan struct{})}
	h.device = func(p string) (d uint64) {
		for p != "/" && path.Dir(p) != "/" {
			p = path.Dir(p)
		}
		for _, b := range []byte(p) {
			d = d<<8 | uint64(b)
		}
		return d
	}
	return h
}

func (h *hung) look(At) error {
	h.begun.Add(1)
	<-h.release
	return nil
}

func quick(At) error { return nil }

// all begins n looks at different files at once and waits for their results.
func (h *hung) all(t *testing.T, n int, format string, want error) (took time.Duration) {
	t.Helper()
	outcomes := make(chan error, n)
	start := time.Now()
	for i := range n {
		go func() { outcomes <- h.Do(t.Context(), fmt.Sprintf(format, i), h.look) }()
	}
	for range n {
		if err := <-outcomes; !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	return time.Since(start)
}

func TestOutcomeIsThatOfTheLook(t *testing.T) {
	p, mine := New(), errors.New("mine")
	if err := p.Do(t.Context(), "/x", func(At) error { return mine }); err != mine { //nolint:errorlint // the very same
		t.Error(err)
	}
	if len(p.flights) != 0 || p.running != 0 {
		t.Errorf("left: %v, %d", p.flights, p.running)
	}
}

// A look that does not answer is waited for only once, and its path is free when it does.
func TestSlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		if took := h.all(t, 1, "/net/%d", ErrSlow); took != Limit {
			t.Errorf("after %v", took)
		}
		if took := h.all(t, 1, "/net/%d", ErrSlow); took != 0 {
			t.Errorf("again after %v", took)
		}
		if n := h.begun.Load(); n != 1 {
			t.Errorf("%d looks at one path", n)
		}
		if err := h.Do(t.Context(), "/net/other", quick); err != nil {
			t.Errorf("its neighbour: %v", err)
		}
		close(h.release)
		synctest.Wait()
		if err := h.Do(t.Context(), "/net/0", quick); err != nil || h.stuck != 0 || len(h.flights) != 0 || h.running != 0 {
			t.Errorf("%v; %d are stuck, %d run, %d places are taken", err, h.stuck, len(h.flights), h.running)
		}
	})
}

// For any number of looks, eight run at a time, and at most sixteen hang in one file system.
// Others answer all the same, and each that hangs as well adds one.
func TestStuckLooksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		if took := h.all(t, 100, "/net/%d", ErrSlow); took != 2*Limit {
			t.Errorf("after %v", took)
		}
		if n := h.begun.Load(); n != maxStuck {
			t.Errorf("%d hang", n)
		}
		if took := h.all(t, 100, "/net/more%d", ErrSlow); took != 0 || h.begun.Load() != maxStuck {
			t.Errorf("after %v, %d hang", took, h.begun.Load())
		}
		if err := h.Do(t.Context(), "/srv/x", quick); err != nil {
			t.Errorf("another file system: %v", err)
		}
		through := func(at At) error { return errors.Join(at("/srv/link"), at("/net/file")) }
		if err := h.Do(t.Context(), "/srv/link", through); !errors.Is(err, ErrSlow) {
			t.Errorf("a link that leads there: %v", err)
		}
		h.all(t, 100, "/nfs2/%d", ErrSlow)
		if n := h.begun.Load(); n != maxStuck+1 {
			t.Errorf("%d hang in two file systems", n)
		}
		close(h.release)
	})
}

// Looks that begin while others become stuck are counted with them, in any order.
func TestStuckLooksThatComeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		for i := range 60 {
			go func() { _ = h.Do(context.Background(), fmt.Sprintf("/net/%d", i), h.look) }()
			time.Sleep(Limit / 10)
		}
		synctest.Wait()
		if n := h.begun.Load(); n != maxStuck || h.stuck != maxStuck || h.running != 0 || len(h.waiting) != 0 {
			t.Errorf("%d hang, %d are stuck, %d run, %d wait", n, h.stuck, h.running, len(h.waiting))
		}
		close(h.release)
		synctest.Wait()
		if h.all(t, 40, "/net/%d", nil); h.running != 0 || h.stuck != 0 {
			t.Errorf("%d are stuck, %d run", h.stuck, h.running)
		}
	})
}

// Eight looks that hang block others no longer than the limit.
func TestStuckLookGivesItsPlaceAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		for i := range atOnce {
			go func() { _ = h.Do(context.Background(), fmt.Sprintf("/net/%d", i), h.look) }()
		}
		synctest.Wait()
		start := time.Now()
		if err := h.Do(t.Context(), "/srv/x", quick); err != nil || time.Since(start) != Limit {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(h.release)
	})
}

// Looks at one path run one after the other: a later look sees a later state.
func TestOneLookAtAPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		var running, most atomic.Int32
		done := make(chan error)
		for range 5 {
			go func() {
				done <- p.Do(t.Context(), "/x", func(At) error {
					most.Store(max(most.Load(), running.Add(1)))
					time.Sleep(Limit / 10)
					running.Add(-1)
					return nil
				})
			}()
		}
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most.Load() != 1 {
			t.Errorf("%d at a time", most.Load())
		}
	})
}

func TestCallerMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		ctx, cancel := context.WithCancel(t.Context())
		outcomes := make(chan error, 20)
		for i := range 20 { // eight run, the others wait for a place or for the path
			go func() { outcomes <- h.Do(ctx, fmt.Sprintf("/net/%d", i/2), h.look) }()
		}
		synctest.Wait()
		cancel()
		for range 20 {
			if err := <-outcomes; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		time.Sleep(Limit)
		synctest.Wait()
		if h.stuck != atOnce || len(h.flights) != atOnce || h.running != 0 {
			t.Errorf("%d are stuck, %d run, %d places are taken", h.stuck, len(h.flights), h.running)
		}
		close(h.release)
	})
}

// A write is waited for however long it takes, and a write that may not begin holds no thread.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHung()
		var written atomic.Int32
		outcomes := make(chan error, 80)
		for i := range 80 { // two for each path
			go func() {
				outcomes <- h.Await(t.Context(), fmt.Sprintf("/net/%d", i/2), func() error {
					defer written.Add(1)
					return h.look(nil)
				})
			}()
		}
		time.Sleep(10 * Limit)
		synctest.Wait()
		if n := h.begun.Load(); n != maxStuck || len(outcomes) != 0 {
			t.Errorf("%d hang, %d have ended", n, len(outcomes))
		}
		if err := h.Await(t.Context(), "/srv/log", func() error { return nil }); err != nil {
			t.Errorf("another file system: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), Limit)
		defer cancel()
		if err := h.Await(ctx, "/net/0", func() error { return h.look(nil) }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a write that is given up: %v", err)
		}
		close(h.release)
		for range 80 {
			if err := <-outcomes; err != nil {
				t.Error(err)
			}
		}
		if n := written.Load(); n != 80 || h.stuck != 0 || h.running != 0 {
			t.Errorf("%d of 80 were written; %d are stuck, %d run", n, h.stuck, h.running)
		}
	})
}

func TestDeviceIn(t *testing.T) {
	const table = `22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:21 / /srv rw - tmpfs tmpfs rw
24 23 0:45 / /srv/with\040space rw - nfs server:/ rw
25 22 0:46 / /srv rw - tmpfs over rw
`
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(table), nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint64{
		"/":                  unix.Mkdev(8, 1),
		"/srvx":              unix.Mkdev(8, 1),
		"/srv":               unix.Mkdev(0, 46),
		"/srv/a/b":           unix.Mkdev(0, 46),
		"/srv/with space/a":  unix.Mkdev(0, 45),
		"/srv/with spaces/a": unix.Mkdev(0, 46),
	} {
		if got := deviceIn(mounts, path); got != want {
			t.Errorf("%s: %#x, want %#x", path, got, want)
		}
	}
	if deviceOf("/proc/self") == deviceOf("/") {
		t.Error("/proc is a part of /")
	}
}
