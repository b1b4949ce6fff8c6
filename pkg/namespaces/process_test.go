package namespaces

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func sleeper(t *testing.T, s *Spawner) *actor {
	t.Helper()
	return act(t, s, "", Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
}

func TestWaitTellsTheStatus(t *testing.T) {
	s := newSpawner(t)
	tests := map[string]struct {
		status ExitStatus
		text   string
	}{
		"exit 0":                     {ExitStatus{}, "exit status 0"},
		"exit 7":                     {ExitStatus{Code: 7}, "exit status 7"},
		"exit 255":                   {ExitStatus{Code: 255}, "exit status 255"},
		"kill -KILL $$":              {ExitStatus{Code: -1, Signal: syscall.SIGKILL}, "signal: killed"},
		"kill -TERM $$":              {ExitStatus{Code: -1, Signal: syscall.SIGTERM}, "signal: terminated"},
		"ulimit -c 0; kill -QUIT $$": {ExitStatus{Code: -1, Signal: syscall.SIGQUIT}, "signal: quit"},
	}
	for script, want := range tests {
		a := act(t, s, "", Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}})
		status, err := a.Wait()
		if err != nil || status != want.status || status.String() != want.text {
			t.Errorf("%s: %+v (%v), %v, want %+v (%s)", script, status, status, err, want.status, want.text)
		}
	}
}

func TestThePIDIsHeldUntilWait(t *testing.T) {
	a := sleeper(t, newSpawner(t))
	if err := a.Signal(0); err != nil || a.Dead() {
		t.Fatal(err, a.Dead())
	}
	if err := a.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the death of the process", a.Dead)
	if state := stateOf(a.PID); state != "Z" {
		t.Errorf("state %q of a dead process, want a zombie", state)
	}
	if status, err := a.Wait(); err != nil || status.Signal != syscall.SIGTERM {
		t.Errorf("%v, %v, want signal: terminated", status, err)
	}
	if state := stateOf(a.PID); state != "" {
		t.Errorf("state %q after Wait, want none", state)
	}
	if err := a.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after Wait: %v, want %v", err, os.ErrProcessDone)
	}
	if status, err := a.Wait(); !errors.Is(err, unix.ECHILD) || !a.Dead() {
		t.Errorf("second Wait: %v, %v, want %v", status, err, unix.ECHILD)
	}
}

func TestWaitLeavesOthersAlone(t *testing.T) {
	other := exec.Command("/bin/sh", "-c", "exit 3")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the death of the other child", func() bool { return stateOf(other.Process.Pid) == "Z" })
	a := act(t, newSpawner(t), "", Command{Path: "/bin/true", Args: []string{"true"}})
	if status, err := a.Wait(); err != nil || status != (ExitStatus{}) {
		t.Errorf("%v, %v", status, err)
	}
	var exit *exec.ExitError
	if err := other.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("the other child: %v, want exit status 3", err)
	}
}

// A goroutine waits for each child of an emperor; one thread each would be too many.
func TestWaitTakesNoThread(t *testing.T) {
	s := newSpawner(t)
	const children = 60
	threads := func() int {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	actors := make([]*actor, children)
	for i := range actors {
		actors[i] = sleeper(t, s)
	}
	before := threads()
	statuses := make(chan ExitStatus)
	for _, a := range actors {
		go func() {
			status, err := a.Wait()
			if err != nil {
				t.Error(err)
			}
			statuses <- status
		}()
	}
	// When the last is dead the others have been waiting for a while.
	for _, a := range actors[1:] {
		if err := a.Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		if status := <-statuses; status.Signal != syscall.SIGKILL {
			t.Error(status)
		}
	}
	if after := threads(); after > before+children/4 {
		t.Errorf("%d threads, then %d with %d waiting", before, after, children)
	}
	_ = actors[0].Signal(syscall.SIGKILL)
	<-statuses
}

func TestCloseEndsAWait(t *testing.T) {
	a := sleeper(t, newSpawner(t))
	done := make(chan error)
	go func() {
		_, err := a.Wait()
		done <- err
	}()
	a.Close()
	if want, err := fmt.Sprintf("cannot wait for process %d: use of closed file", a.PID), <-done; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := a.Signal(0); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after Close: %v, want %v", err, os.ErrProcessDone)
	}
	if err := syscall.Kill(a.PID, syscall.SIGKILL); err != nil {
		t.Errorf("Close ended or reaped the process: %v", err)
	}
	if _, err := syscall.Wait4(a.PID, nil, 0, nil); err != nil {
		t.Error(err)
	}
}

func TestOpenNamespace(t *testing.T) {
	needRoot(t)
	all := NewPID | NewUTS | NewNet | NewIPC | NewMount | NewUser | NewCgroup | NewTime
	a := act(t, newSpawner(t), "interfaces", Command{Namespaces: all})
	for _, n := range names {
		f, err := a.OpenNamespace(n.flag)
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		opened, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if own, err := os.Stat("/proc/self/ns/" + n.entry); err != nil || os.SameFile(opened, own) {
			t.Errorf("%s namespace: our own (%v)", n.name, err)
		}
	}
}

func TestOpenNamespaceRefuses(t *testing.T) {
	a := sleeper(t, newSpawner(t))
	pid := strconv.Itoa(a.PID)
	refused := func(which Flags, want string) {
		t.Helper()
		if f, err := a.OpenNamespace(which); err == nil || err.Error() != want {
			t.Errorf("%v, %v, want %s", f, err, want)
		}
	}
	refused(NewNet, "cannot open net namespace of process "+pid+": process shares this namespace with the caller")
	refused(NewMount, "cannot open mnt namespace of process "+pid+": process shares this namespace with the caller")
	refused(NewNet|NewUTS, `cannot open namespace "uts,net": not exactly one`)
	refused(0, `cannot open namespace "": not exactly one`)
	_ = a.Signal(syscall.SIGKILL)
	eventually(t, "the death of the process", a.Dead)
	if f, err := a.OpenNamespace(NewNet); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a dead process: %v, %v, want %v", f, err, os.ErrNotExist)
	}
}

func TestTerminate(t *testing.T) {
	needRoot(t)
	s := newSpawner(t)
	for name, tt := range map[string]struct {
		script string
		made   Flags
		want   ExitStatus
	}{
		"default":                       {"echo; exec sleep 1000", 0, ExitStatus{-1, syscall.SIGTERM}},
		"default, the first process":    {"echo; exec sleep 1000", NewPID, ExitStatus{-1, syscall.SIGKILL}},
		"handled":                       {"trap 'exit 4' TERM; echo; while :; do sleep 0.01; done", 0, ExitStatus{Code: 4}},
		"handled, by the first process": {"trap 'exit 4' TERM; echo; while :; do sleep 0.01; done", NewPID, ExitStatus{Code: 4}},
	} {
		a := act(t, s, "", Command{Path: "/bin/sh", Args: []string{"sh", "-c", tt.script}, Env: []string{"PATH=/bin:/usr/bin"}, Namespaces: tt.made})
		a.comeThisFar()
		if err := a.Terminate(syscall.SIGTERM); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if status, err := a.Wait(); err != nil || status != tt.want {
			t.Errorf("%s: %v, %v, want %v", name, status, err, tt.want)
		}
	}
}

// A process that ignores, handles or blocks a signal is not deaf to it.
func TestDeaf(t *testing.T) {
	const none = "0000000000000000"
	status := func(pids, blocked, ignored, caught string) string {
		return "Name:\tx\nNSpid:\t" + pids + "\nSigBlk:\t" + blocked + "\nSigIgn:\t" + ignored + "\nSigCgt:\t" + caught + "\n"
	}
	const term = "0000000000004000"
	for text, want := range map[string]bool{
		status("4711\t1", none, none, none):   true,
		status("4711\t22", none, none, none):  false,
		status("1", none, none, none):         false, // our own first process is not to be killed
		status("4711\t1", term, none, none):   false,
		status("4711\t1", none, term, none):   false,
		status("4711\t1", none, none, term):   false,
		status("4711\t1", none, "junk", none): false,
		"":                                    false,
	} {
		if got := deaf(text, syscall.SIGTERM); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
