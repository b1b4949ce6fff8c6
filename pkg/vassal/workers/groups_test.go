package workers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Processes belong to the main thread. A test of them is the program of another process, which
// these functions are, by the value of roleEnv.
var roles = map[string]func(dir string) error{
	"hit between fork and execution": hitBetween,
	"programs of a script finish":    finish,
	"programs of a script are killed": func(string) error {
		return end("sh -c 'trap \"\" TERM; sleep 1000; true' & sleep 1000; true", syscall.SIGTERM)
	},
	"programs that a script has left die": leftBehind,
}

const roleEnv = "WORKERS_TEST_ROLE"

func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	role := roles[os.Getenv(roleEnv)]
	if role == nil {
		goleak.VerifyTestMain(m)
		return
	}
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if err == nil {
		err = role(os.Args[1])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestGroups(t *testing.T) {
	for name := range roles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], t.TempDir())
			cmd.Env = append(os.Environ(), roleEnv+"="+name)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			cmd.WaitDelay = time.Second
			out, err := cmd.CombinedOutput()
			if strings.HasPrefix(string(out), "cannot trace: ") {
				t.Skip(string(out))
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		})
	}
}

// script starts a daemon that is a script for a shell.
func script(text string) (p *Processes, pid int, err error) {
	p = &Processes{}
	d := &config.Daemon{Command: []string{"sh"}, Text: text, Shell: true}
	pid, err = p.Start(Spec{ID: 1, Name: "daemon", Env: os.Environ(), Daemon: d, Program: &Program{Args: d.Command}}, nil)
	return p, pid, err
}

// reaped waits for the end of a child.
func reaped(p *Processes, pid int) (status namespaces.ExitStatus, err error) {
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(time.Millisecond) {
		dead, status := p.Reap()
		if dead != pid {
			continue
		}
		if groupLives(pid) {
			return status, errors.New("its group lives")
		}
		return status, nil
	}
	return status, fmt.Errorf("process %d did not end", pid)
}

// hitBetween sends a signal when a shell has forked and its child has not executed its program yet. None of them lives on.
func hitBetween(dir string) error {
	gate := filepath.Join(dir, "gate")
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		return err
	}
	p, pid, err := script("read x <" + gate + "; sleep 1000; true")
	if err != nil {
		return err
	}
	child, err := forked(pid, func() error { return os.WriteFile(gate, []byte("x\n"), 0o600) })
	if err != nil {
		return err
	}
	p.Ask(pid, syscall.SIGTERM)
	for _, traced := range []int{child, pid} {
		if err := syscall.PtraceDetach(traced); err != nil {
			return err
		}
	}
	_, err = reaped(p, pid)
	return err
}

// forked lets a child fork, and returns the child of the child. Both are stopped, by ptrace(2).
func forked(pid int, begin func() error) (child int, err error) {
	if err := syscall.PtraceAttach(pid); err != nil {
		return 0, fmt.Errorf("cannot trace: %w", err)
	}
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &s, 0, nil); err != nil {
		return 0, err
	}
	if err := syscall.PtraceSetOptions(pid, unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|unix.PTRACE_O_TRACECLONE); err != nil {
		return 0, err
	}
	begun := make(chan error, 1)
	if err := syscall.PtraceCont(pid, 0); err != nil {
		return 0, err
	}
	go func() { begun <- begin() }()
	for {
		if _, err := syscall.Wait4(pid, &s, 0, nil); err != nil {
			return 0, err
		}
		if !s.Stopped() {
			return 0, fmt.Errorf("it has ended: %v", s)
		}
		if s.TrapCause() > 0 {
			break
		}
		// The stop of the attachment comes late when the child executed its shell just then, and so does the trap of
		// that execution. A child that got them would stop for good, or end.
		sig := s.StopSignal()
		if sig == syscall.SIGSTOP || sig == syscall.SIGTRAP {
			sig = 0
		}
		if err := syscall.PtraceCont(pid, int(sig)); err != nil {
			return 0, err
		}
	}
	message, err := syscall.PtraceGetEventMsg(pid)
	if err != nil {
		return 0, err
	}
	if _, err := syscall.Wait4(int(message), &s, unix.WALL, nil); err != nil {
		return 0, err
	}
	return int(message), <-begun
}

// finish stops a script whose program takes a while to end.
func finish(dir string) error {
	up, ended := filepath.Join(dir, "up"), filepath.Join(dir, "ended")
	p, pid, err := script(fmt.Sprintf(`sh -c 'trap "sleep 0.2; echo x >%s; exit" TERM; echo x >%s; while :; do sleep 0.01; done' | cat`, ended, up))
	if err != nil {
		return err
	}
	if err := appears(up); err != nil {
		return err
	}
	p.Ask(pid, syscall.SIGTERM)
	status, err := reaped(p, pid)
	if _, missing := os.Stat(ended); err == nil && missing != nil {
		err = errors.New("its program was killed")
	}
	if err == nil && status.Signal != syscall.SIGTERM {
		err = fmt.Errorf("status %v", status)
	}
	return err
}

func appears(file string) error {
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not appear", file)
}

// end stops a script, and kills its group when only the shell has ended.
func end(text string, s syscall.Signal) error {
	p, pid, err := script(text)
	if err != nil {
		return err
	}
	for late := time.Now().Add(20 * time.Second); len(namespaces.Tree(pid)) < 4; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			return fmt.Errorf("it has %v", namespaces.Tree(pid))
		}
	}
	p.Ask(pid, s)
	for range 200 {
		if dead, _ := p.Reap(); dead == pid {
			return errors.New("it counts as dead while its group lives")
		}
		time.Sleep(time.Millisecond)
	}
	p.Kill(pid)
	_, err = reaped(p, pid)
	return err
}

// leftBehind waits for a script that ends without being asked. Its programs must not live on.
func leftBehind(string) error {
	p, pid, err := script("sleep 1000 & true")
	if err != nil {
		return err
	}
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(time.Millisecond) {
		if dead, _ := p.Reap(); dead == pid {
			for groupLives(pid) && time.Now().Before(late) {
				p.Reap()
			}
			if time.Now().Before(late) {
				return nil
			}
		}
	}
	return errors.New("its group lives")
}
