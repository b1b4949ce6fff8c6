//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// journald is the journal of a world: a socket without a journal behind it.
type journald struct {
	socket *net.UnixConn

	mu      sync.Mutex
	entries []string // as in sd_journal's native protocol
}

func (w *world) journal() *journald {
	w.t.Helper()
	run := fmt.Sprintf("/proc/%d/root/run", w.holder.Process.Pid)
	dir := filepath.Join(run, "systemd/journal")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unixgram"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { socket.Close(); _ = os.RemoveAll(filepath.Join(run, "systemd")) })
	return &journald{socket: socket}
}

// read takes entries until until is closed.
func (j *journald) read(until <-chan struct{}) {
	buffer := make([]byte, 1<<16)
	for {
		select {
		case <-until:
			return
		default:
		}
		_ = j.socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := j.socket.Read(buffer)
		if err != nil {
			continue
		}
		j.mu.Lock()
		j.entries = append(j.entries, string(buffer[:n]))
		j.mu.Unlock()
	}
}

// has reports whether there is an entry with all of these fields.
func (j *journald) has(fields ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		all := true
		for _, f := range fields {
			all = all && strings.Contains("\n"+e, "\n"+f+"\n")
		}
		if all {
			return true
		}
	}
	return false
}

// A vassal's output goes to the journal, with its name and level; a journal that does not read
// delays no process.
func TestLogOfAVassalIsTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	progress := w.path("s/progress")
	w.vassal("a.ini", "log = journal", "command = sh -c 'echo plain; echo \"<3>bad\"; exec sleep 1000000'")
	e := w.start(allNamespaces)
	e.await("a.ini", "there is no journal on this machine")
	e.await("a.ini", "plain")
	e.end()

	j := w.journal()
	hang, hung := make(chan struct{}), make(chan struct{})
	go func() { defer close(hung); j.read(hang) }()
	e = w.start(allNamespaces)
	e.running("a.ini")
	for _, want := range [][]string{
		{"MESSAGE=plain", "PRIORITY=6", "EMPEROR_VASSAL=a.ini", "SYSLOG_IDENTIFIER=vassal"}, {"MESSAGE=bad", "PRIORITY=3", "EMPEROR_VASSAL=a.ini"},
	} {
		eventually(t, fmt.Sprint("the journal has ", want), func() bool { return j.has(want...) })
	}
	if e.count("a.ini", "plain") > 0 {
		t.Error("the emperor's log has the line as well")
	}
	if out := w.succeed("logs", "a"); !strings.Contains(out, "ERROR bad") {
		t.Errorf("logs: %s", out)
	}

	close(hang)
	<-hung
	w.vassal("b.ini", "log = journal", talks(progress))
	e.running("b.ini")
	keepsTalking(t, progress)
	w.vassal("c.ini", "log = journal", "command = sh -c 'echo so does c; exec sleep 1000000'")
	e.running("c.ini")
	eventually(t, "it is known what c printed", func() bool { return strings.Contains(w.succeed("logs", "c"), "so does c") })
	e.remove("b.ini")
	e.gone("b.ini")
	e.stop(syscall.SIGTERM)
}
