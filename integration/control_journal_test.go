//go:build linux

package integration

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/journal/journaltest"
)

// journald is the journal of a world: a socket without a journal behind it.
type journald struct {
	*journaltest.Journal

	mu      sync.Mutex
	entries []journaltest.Entry
	wrong   []error
}

func (w *world) journal() *journald {
	w.t.Helper()
	run := fmt.Sprintf("/proc/%d/root/run", w.holder.Process.Pid)
	dir := filepath.Join(run, "systemd/journal")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	j, err := journaltest.Listen(filepath.Join(dir, "socket"))
	if err == nil {
		err = os.Chmod(j.Path(), 0o666) // as journald has it
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { j.Close(); _ = os.RemoveAll(filepath.Join(run, "systemd")) })
	return &journald{Journal: j}
}

// read takes entries until until is closed.
func (j *journald) read(until <-chan struct{}) {
	for {
		select {
		case <-until:
			return
		default:
		}
		e, err := j.Next(time.Now().Add(100 * time.Millisecond))
		j.mu.Lock()
		switch {
		case err == nil:
			j.entries = append(j.entries, e)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			j.wrong = append(j.wrong, err)
		}
		j.mu.Unlock()
	}
}

// has reports whether there is an entry with all of these fields.
func (j *journald) has(fields ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.entries, func(e journaltest.Entry) bool {
		return !slices.ContainsFunc(fields, func(f string) bool {
			name, value, _ := strings.Cut(f, "=")
			return e[name] != value
		})
	})
}

// A vassal's output goes to the journal, with its name and level; a journal that does not read
// delays no process.
func TestLogOfAVassalIsTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	progress := w.path("s/progress")
	w.vassal("a.ini", "log = journal", "command = sh -c 'echo plain; echo \"<3>bad\"; exec sleep 1000000'")
	e := w.start(allNamespaces)
	e.await("a.ini", "cannot reach the journal")
	e.await("a.ini", "plain")
	e.end()

	j := w.journal()
	hang, hung := make(chan struct{}), make(chan struct{})
	go func() { defer close(hung); j.read(hang) }()
	e = w.start(allNamespaces)
	e.running("a.ini")
	for _, want := range [][]string{
		{"MESSAGE=plain", "PRIORITY=6", "EMPEROR_VASSAL=a.ini", "SYSLOG_IDENTIFIER=a.ini"}, {"MESSAGE=bad", "PRIORITY=3", "EMPEROR_VASSAL=a.ini"},
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

// underSystemd makes an emperor whose standard error is a stream of the journal.
func (w *world) underSystemd(args ...string) *emperor {
	w.t.Helper()
	script := `export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$@"`
	return w.launch(w.inside("sh", append([]string{"-c", script, "sh", program("emperor"), allNamespaces}, append(args, w.vassals)...)...))
}

// Under systemd the lines of vassals are entries of the journal, each under the name of its
// vassal and sent by the emperor, and no line has other fields. An operator who has chosen the
// form of the log, or a vassal's log, gets that.
func TestUnderSystemdTheOutputIsInTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.journal()
	over, read := make(chan struct{}), make(chan struct{})
	go func() { defer close(read); j.read(over) }()
	defer func() { close(over); <-read }()
	w.vassal("a.ini", `command = sh -c 'echo plain; echo "<3>bad"; printf "x\\rPRIORITY=0\\0\\377EMPEROR_VASSAL=b.ini\\n"; exec sleep 1000000'`)
	w.vassal("b.ini", "log = "+w.path("s/b.log"), "command = sh -c 'echo to the file; exec sleep 1000000'")
	e := w.underSystemd()
	for _, want := range [][]string{
		{"MESSAGE=plain", "PRIORITY=6", "EMPEROR_VASSAL=a.ini", "SYSLOG_IDENTIFIER=a.ini"},
		{"MESSAGE=bad", "PRIORITY=3", "EMPEROR_VASSAL=a.ini", "SYSLOG_IDENTIFIER=a.ini"},
		{"MESSAGE=x\rPRIORITY=0\x00\xffEMPEROR_VASSAL=b.ini", "PRIORITY=6", "EMPEROR_VASSAL=a.ini"},
	} {
		eventually(t, fmt.Sprintf("the journal has %q", want), func() bool { return j.has(want...) })
	}
	eventually(t, "the file has its line", func() bool { return strings.Contains(w.read(w.path("s/b.log")), "to the file") })
	e.await("", "<6>a.ini: starting -> running")
	if text := e.tail(); strings.Contains(text, "plain") || strings.Contains(text, "to the file") {
		t.Errorf("the emperor's log has lines of vassals as well:\n%s", text)
	}
	if out := w.succeed("logs", "a"); !strings.Contains(out, "plain") {
		t.Errorf("logs: %s", out)
	}
	e.stop(syscall.SIGTERM)

	j.mu.Lock()
	for _, entry := range j.entries {
		names := slices.Sorted(maps.Keys(entry))
		if !slices.Equal(names, []string{"EMPEROR_VASSAL", "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_PID"}) || entry["EMPEROR_VASSAL"] != "a.ini" || entry["_PID"] != strconv.Itoa(e.pid()) {
			t.Errorf("emperor %d: an entry has the fields %q", e.pid(), entry)
		}
	}
	j.entries = nil
	if len(j.wrong) > 0 {
		t.Errorf("no entries of the protocol: %v", j.wrong)
	}
	j.mu.Unlock()

	e = w.underSystemd("--emperor-log-format", "text")
	e.await("", "a.ini: plain")
	e.stop(syscall.SIGTERM)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) > 0 {
		t.Errorf("with a format of the log: %v", j.entries)
	}
}
