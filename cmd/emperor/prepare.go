package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
)

// prepare makes of this process what its options say. The function it returns
// removes what it made, and is called in the end.
func prepare(o *config.Emperor) (undo func(), err error) {
	undo = func() {}
	if o.Procname != "" {
		// Of the process, whichever of its threads this is (proc_pid_comm(5)).
		if err := os.WriteFile("/proc/self/comm", []byte(o.Procname), 0o644); err != nil {
			return undo, fmt.Errorf("cannot name the process: %w", err)
		}
	}
	if o.Subreaper {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return undo, fmt.Errorf("cannot adopt orphans: %w", err)
		}
	}
	if o.Pidfile == "" {
		return undo, nil
	}
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := replace(o.Pidfile, text); err != nil {
		return undo, fmt.Errorf("cannot write emperor-pidfile: %w", err)
	}
	return func() {
		if now, err := os.ReadFile(o.Pidfile); err == nil && string(now) == text { // still ours
			_ = os.Remove(o.Pidfile)
		}
	}, nil
}

// replace puts a file in place in one step, so that nobody reads half of it.
func replace(path, text string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}
