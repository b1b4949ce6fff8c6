package bootlist

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAttend: a request arrives with its descriptors, at once and after a silence, and so does the end.
func TestAttend(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	buffer, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4*maxFiles))
	for _, silence := range []time.Duration{0, 3 * attention} {
		timer := time.AfterFunc(silence, func() {
			if err := sendRaw(pair[1], []byte("request"), unix.UnixRights(0, 1)); err != nil {
				t.Error(err)
			}
		})
		n, used, err := attend(pair[0], buffer, control)
		timer.Stop()
		fds, _ := descriptors(control[:used])
		if err != nil || string(buffer[:n]) != "request" || len(fds) != 2 {
			t.Errorf("after %v: %q with descriptors %v: %v", silence, buffer[:n], fds, err)
		}
		for _, fd := range fds {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("descriptor %d would be inherited: %d, %v", fd, flags, err)
			}
		}
		closeRaw(fds)
		if slices.ContainsFunc(fds, func(fd int) bool { _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); return err == nil }) {
			t.Error("a descriptor is still open")
		}
	}
	closeRaw(pair[1:])
	if n, used, err := attend(pair[0], buffer, control); n != 0 || used != 0 || err != nil {
		t.Errorf("after the end: %d, %d, %v", n, used, err)
	}
}

// TestThreadsOfTheForker: many forks in turn wake no other thread of the process that forks, and an idle one wakes none.
func TestThreadsOfTheForker(t *testing.T) {
	const forks, attempts = 50, 10
	f := newForker(t)
	fork := func() {
		child := begin(t, f, 0, func(l *List) { l.Enter("/", nil) })
		_, _ = child.process.Wait()
	}
	fork()
	pid := f.server.PID
	for attempt := 1; ; attempt++ { // on a busy machine pauses between forks are long
		before := switches(t, pid)
		for range forks {
			fork()
		}
		woken := switches(t, pid) - before
		if woken < forks {
			break
		}
		if attempt == attempts {
			t.Errorf("%d forks woke other threads %d times", forks, woken)
			break
		}
	}
	for attempt := 1; ; attempt++ {
		before := switches(t, pid)
		time.Sleep(500 * time.Millisecond)
		woken := switches(t, pid) - before
		if woken < 10 {
			return
		}
		if attempt == attempts {
			t.Fatalf("other threads of an idle process woke %d times", woken)
		}
	}
}

// switches returns how many times all threads of a process but the first have waited.
func switches(t *testing.T, pid int) (n int) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(paths) == 0 {
		t.Fatal("the process has no threads", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || filepath.Base(filepath.Dir(path)) == strconv.Itoa(pid) {
			continue
		}
		for line := range bytes.Lines(text) {
			if value, ok := strings.CutPrefix(string(line), "voluntary_ctxt_switches:"); ok {
				one, _ := strconv.Atoi(strings.TrimSpace(value))
				n += one
			}
		}
	}
	return n
}
