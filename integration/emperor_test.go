//go:build linux

package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// allNamespaces is the option that most stories clone with.
const allNamespaces = "--emperor-use-clone=pid,uts,net,ipc,fs"

// serves is the smallest configuration of a vassal.
const serves = "command = sleep 1000000"

// record is a line of the log.
type record struct {
	Time       time.Time
	Level, Msg string
	Vassal     string
	Generation int
	PID        int
	Hook       string
	Error      string
	raw        string
}

// emperor is the program under test.
type emperor struct {
	*world
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program and its log have ended

	mu      sync.Mutex
	records []record
	seen    map[[2]string]int // how far await has read, by its arguments
	news    chan struct{}     // closed with each record
}

// start starts the world's emperor over its vassals with more arguments, and stops it at the
// end of the test.
func (w *world) start(args ...string) *emperor {
	w.t.Helper()
	return w.startOver(append(args, w.vassals)...)
}

// startOver starts an emperor with just these arguments.
func (w *world) startOver(args ...string) *emperor {
	w.t.Helper()
	return w.launch(w.inside(program("emperor"), append([]string{"--emperor-log-format", "json"}, args...)...))
}

// launch starts cmd, which becomes an emperor that logs to its stderr.
func (w *world) launch(cmd *exec.Cmd) *emperor {
	w.t.Helper()
	e := &emperor{world: w, cmd: cmd, ended: make(chan struct{}), seen: map[[2]string]int{}, news: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if w.cgroup != "" {
		dir, err := unix.Open(w.cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		defer unix.Close(dir)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, dir
	}
	log, write, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = write
	err = cmd.Start()
	write.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		e.follow(log)
		_ = cmd.Wait()
		close(e.ended)
	}()
	w.t.Cleanup(func() { e.end() })
	return e
}

// follow reads the log. A line that is not JSON is a message.
func (e *emperor) follow(log io.ReadCloser) {
	defer log.Close()
	in := bufio.NewReader(log)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		r := record{raw: strings.TrimSuffix(line, "\n")}
		if json.Unmarshal([]byte(line), &r) != nil {
			r.Msg = r.raw
		}
		e.mu.Lock()
		e.records = append(e.records, r)
		close(e.news)
		e.news = make(chan struct{})
		e.mu.Unlock()
	}
}

// await returns the next line about the vassal that contains the text: the first one, then the
// second when the same call is repeated. The output of a vassal and the emperor's lines about
// it have no fixed order. The empty name means the emperor itself.
func (e *emperor) await(vassal, text string) record {
	e.t.Helper()
	deadline, key := time.After(patience), [2]string{vassal, text}
	for {
		e.mu.Lock()
		for i := e.seen[key]; i < len(e.records); i++ {
			if r := e.records[i]; r.Vassal == vassal && strings.Contains(r.raw, text) {
				e.seen[key] = i + 1
				e.mu.Unlock()
				return r
			}
		}
		news := e.news
		e.mu.Unlock()
		select {
		case <-news:
		case <-e.ended:
			e.t.Fatalf("the emperor ended before %q said %q; its log:\n%s", vassal, text, e.tail())
		case <-deadline:
			e.t.Fatalf("after %v %q has not said %q; the log:\n%s", patience, vassal, text, e.tail())
		}
	}
}

// running waits until the vassal runs and returns its process id.
func (e *emperor) running(vassal string) int {
	e.t.Helper()
	pid := e.await(vassal, "-> running").PID
	if pid == 0 {
		e.t.Fatalf("the log does not tell the pid of %q", vassal)
	}
	return pid
}

// gone waits until the vassal and all its resources are gone.
func (e *emperor) gone(vassal string) { e.t.Helper(); e.await(vassal, "-> gone") }

// undisturbed fails when a vassal is another process than before, or was asked to end.
func (e *emperor) undisturbed(vassal string, pid int) {
	e.t.Helper()
	if !alive(pid) || e.count(vassal, "-> stopping") > 0 {
		e.t.Errorf("the vassal was disturbed:\n%s", e.about(vassal))
	}
}

// count returns how many lines about the vassal contain the text.
func (e *emperor) count(vassal, text string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.records {
		if r.Vassal == vassal && strings.Contains(r.raw, text) {
			n++
		}
	}
	return n
}

// barrier returns when the emperor has processed every earlier change: it adds a vassal, which
// the emperor sees later than all of them, and removes it.
func (e *emperor) barrier() {
	e.t.Helper()
	e.vassal("barrier.ini", serves)
	e.running("barrier.ini")
	e.remove("barrier.ini")
	e.gone("barrier.ini")
}

// about returns the whole log of a vassal.
func (e *emperor) about(vassal string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, r := range e.records {
		if r.Vassal == vassal {
			b.WriteString(r.raw + "\n")
		}
	}
	return b.String()
}

// tail returns the end of the log.
func (e *emperor) tail() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, r := range e.records[max(0, len(e.records)-60):] {
		b.WriteString(r.raw + "\n")
	}
	return b.String()
}

func (e *emperor) pid() int { return e.cmd.Process.Pid }

func (e *emperor) signal(s syscall.Signal) {
	e.t.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		e.t.Fatal(err)
	}
}

// wait returns the exit code of the emperor, -1 when a signal ended it.
func (e *emperor) wait() int {
	e.t.Helper()
	select {
	case <-e.ended:
	case <-time.After(patience):
		e.t.Errorf("the emperor did not end in %v; its log:\n%s", patience, e.tail())
		_ = e.cmd.Process.Kill()
		e.sweep() // other processes with the log open
		select {
		case <-e.ended:
		case <-time.After(patience):
			e.t.Fatal("its log is still open")
		}
	}
	return e.cmd.ProcessState.ExitCode()
}

// stop ends the emperor by a signal, as an operator does, and expects it to succeed.
func (e *emperor) stop(s syscall.Signal) {
	e.t.Helper()
	e.signal(s)
	if code := e.wait(); code != 0 {
		e.t.Errorf("%v: the emperor ended with %v, want exit code 0; its log:\n%s", s, e.cmd.ProcessState, e.tail())
	}
}

// end stops an emperor that the story has not stopped.
func (e *emperor) end() {
	e.t.Helper()
	select {
	case <-e.ended:
	default:
		e.stop(syscall.SIGTERM)
	}
	if e.t.Failed() && testing.Verbose() {
		e.t.Logf("the log:\n%s", e.tail())
	}
}

// status returns a field of /proc/PID/status.
func status(t testing.TB, pid int, field string) string {
	t.Helper()
	for _, l := range lines(fmt.Sprintf("/proc/%d/status", pid)) {
		if value, ok := strings.CutPrefix(l, field+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	t.Fatalf("process %d has no %s", pid, field)
	return ""
}

// namespace returns the identity of a namespace of a process.
func namespace(t testing.TB, pid int, which string) string {
	t.Helper()
	link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + which)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// children returns the process ids of the children of a process.
func children(pid int) (found []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
