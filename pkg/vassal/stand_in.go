package vassal

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// standsIn reports whether this process stays as the first one of its pid namespace,
// and a privileged program runs as its child. A program that gives up its privileges
// itself loses the death signal by that (prctl(2), PR_SET_PDEATHSIG): it would outlive
// an emperor that is killed, and this process does not. Programs whose business it is
// to be the first process take its place.
func (v *Vassal) standsIn() bool {
	if os.Getpid() != 1 || v.options.RootPatchInit {
		return false
	}
	name := filepath.Base(v.options.RootPatch[0])
	return name != "init" && name != "systemd"
}

// standFor runs a program, with the sockets from descriptor 3 on, and ends this process
// with its exit code, or with 128 and the signal that ended it: the first process of a
// pid namespace cannot end itself by a signal. All others of the namespace end with it
// (pid_namespaces(7)). For the emperor it is as if this process had become the program:
// the channels close, and signals are the program's. It returns only if the program
// cannot be run.
func (v *Vassal) standFor(words []string, list []*sockets.Socket) error {
	path, err := programs.Find(words[0])
	if err != nil {
		return fmt.Errorf("cannot run %q: %w", words[0], err)
	}
	env, err := v.environment(v.options)
	if err != nil {
		return err
	}
	v.unlisten()
	if v.stopped.Load() {
		return errStopped
	}
	v.heedAll()
	pid, err := v.startProgram(workers.Spec{
		ID: 1, Program: &workers.Program{Path: path, Args: words, Limits: v.options.Limits}, Sockets: list, Env: append(env, v.notifyVars...),
	})
	if err != nil {
		return err
	}
	if err := v.farewell(v.probe(), pid); err != nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return fmt.Errorf("cannot stand in for %q: %w", words[0], err)
	}
	v.retire()
	code, err := standIn(pid, v.signals)
	if err != nil {
		return err
	}
	v.Printed()
	v.Exit(code)
	return nil
}

// heedAll asks for every signal that a process can handle.
func (v *Vassal) heedAll() {
	var asked sync.WaitGroup // see listen
	asked.Go(func() { signal.Notify(v.signals) })
	asked.Wait()
}

// startProgram returns when the program runs, or cannot be run.
func (v *Vassal) startProgram(s workers.Spec) (pid int, err error) {
	outcome := make(chan error, 1)
	pid, err = (&workers.Processes{Self: v.SelfProgram}).Start(s, func(e workers.Event) { outcome <- workers.Refusal(e) })
	if err != nil {
		return 0, err
	}
	if err = <-outcome; err != nil {
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	return pid, err
}

// retire closes what is the program's alone now, and what the emperor must see closed.
func (v *Vassal) retire() {
	v.progress.end()
	for _, s := range distinct(append(v.sets, v.shared, v.inherited)) {
		s.Close()
	}
	if v.orders != nil {
		v.orders.Close()
	}
	if v.pipe != nil {
		v.pipe.file.Close()
	}
	_ = os.WriteFile("/proc/self/comm", []byte("vassal-init"), 0) // for process lists
}

// standIn passes signals on to a child of this process and reaps what dies, until the
// child is dead, and returns the exit code to end with.
func standIn(child int, signals <-chan os.Signal) (code int, err error) {
	for {
		dead, err := namespaces.NextDead()
		switch {
		case err != nil:
			return 0, fmt.Errorf("cannot wait for process %d: %w", child, err)
		case dead == 0:
			passOn(<-signals, child)
			continue
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(dead, &status, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("cannot wait for process %d: %w", child, err)
		} else if err != nil || dead != child {
			continue
		}
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}

// passOn sends a signal to the child, unless it is about this process: what it writes
// to may be closed, and SIGURG is the Go runtime's own.
func passOn(s os.Signal, child int) {
	switch s := s.(syscall.Signal); s {
	case syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGURG:
	default:
		_ = syscall.Kill(child, s)
	}
}
