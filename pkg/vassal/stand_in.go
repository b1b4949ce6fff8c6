package vassal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// standsIn reports whether this process stays the first one of its pid namespace, and a
// privileged program runs as its child. A program that drops its privileges itself loses its
// death signal by that (prctl(2), PR_SET_PDEATHSIG): it would outlive an emperor that is killed,
// and this process does not. Programs that must be the first process replace this one.
func standsIn(o *config.Vassal) bool {
	if os.Getpid() != 1 || o.RootPatchInit {
		return false
	}
	name := filepath.Base(o.RootPatch[0])
	return name != "init" && name != "systemd"
}

// standFor runs a program, with the sockets from descriptor 3 on, and ends this process with its exit code, or
// with 128 and the signal that ended it. The first process of a pid namespace cannot end itself by a signal.
// All others of the namespace end with it (pid_namespaces(7)). The emperor sees the same as when this process
// becomes the program: the connection closes, and signals go to the program. standFor returns only when the
// program cannot be run.
func (v *successor) standFor(o *config.Vassal, words []string) error {
	path, err := programs.Find(words[0])
	if err != nil {
		return fmt.Errorf("cannot run %q: %w", words[0], err)
	}
	env, err := v.env.programs(o, v.source)
	if err != nil {
		return err
	}
	if v.signals.end().stop {
		return errStopped
	}
	v.signals.askAll()
	pid, err := startProgram(v.programs.self, workers.Spec{
		ID: 1, Program: &workers.Program{Path: path, Args: words, Limits: o.Limits}, Sockets: v.sockets.sets[0], Env: append(env, v.link.notify...),
	})
	if err != nil {
		return err
	}
	if err := v.link.announceProgram(o, pid); err != nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return fmt.Errorf("cannot stand in for %q: %w", words[0], err)
	}
	v.progress.end()
	v.sockets.release()
	v.link.close()                                                // the emperor waits for its end
	_ = os.WriteFile("/proc/self/comm", []byte("vassal-init"), 0) // for process lists
	code, err := standIn(pid, v.signals.arrived)
	if err != nil {
		return err
	}
	v.printed()
	v.exit(code)
	return nil
}

// startProgram returns when the program runs, or cannot be run.
func startProgram(self string, s workers.Spec) (pid int, err error) {
	outcome := make(chan error, 1)
	pid, err = (&workers.Processes{Self: self}).Start(s, func(e workers.Event) { outcome <- workers.Refusal(e) })
	if err != nil {
		return 0, err
	}
	if err = <-outcome; err != nil {
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	return pid, err
}

// standIn passes signals on to a child of this process and reaps dead processes, until the
// child is dead. It returns the exit code of this process.
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

// passOn sends a signal to the child, unless the signal only concerns this process: SIGPIPE is
// about its own output, and SIGURG is the Go runtime's.
func passOn(s os.Signal, child int) {
	switch s := s.(syscall.Signal); s {
	case syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGURG:
	default:
		_ = syscall.Kill(child, s)
	}
}
