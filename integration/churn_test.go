//go:build linux

package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// A file that changes without end does not restart its vassal, and the operator's hooks as
// root, without end; `list` shows it, and a command of the operator does not wait.
func TestFileThatChangesWithoutEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	change := func(n int) { w.vassal("a.ini", fmt.Sprintf("exec-as-root = echo version %d.", n), serves) }
	change(0)
	e := w.start(allNamespaces, "--exec-as-emperor", "echo hook >>"+w.path("hooks"))
	first := e.running("a.ini")
	change(1) // which waits for nothing
	e.await("a.ini", "version 1.")
	pid := e.running("a.ini")
	if pid == first {
		t.Error("the first change took no new process")
	}
	began := time.Now()
	for n := range 45 {
		change(n + 2)
		time.Sleep(20 * time.Millisecond)
	}
	e.await("a.ini", "its file changes too often: the new process waits")
	took := time.Since(began) // a second, or more on a busy machine
	if got := len(lines(w.path("hooks"))); got > 3+int(took.Seconds()) {
		t.Errorf("%d launches in %s", got, took)
	}
	e.await("a.ini", "version 46.") // after a pause
	shows := func(why string) {
		t.Helper()
		eventually(t, "a running vassal: "+why, func() bool {
			l := w.list()["a.ini"]
			return l.State == "running" && l.Why == why
		})
	}
	shows("")
	change(100)
	shows("its file changes too often")
	w.succeed("restart", "--wait", "a.ini")
	e.await("a.ini", "version 100.")
	if n := e.count("a.ini", "version 100."); n != 1 {
		t.Error("the operator waited, or it was not the newest file")
	}
	e.stop(syscall.SIGTERM)
}
