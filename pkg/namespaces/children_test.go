package namespaces

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// HoldChild finds the right child and no other process.
func TestHoldChild(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	defer end()
	pid, held, err := HoldChild(os.Getpid(), cmd.Process.Pid)
	if err != nil || pid != cmd.Process.Pid {
		t.Fatalf("%d, %v", pid, err)
	}
	defer held.Close()
	for _, pids := range [][2]int{{os.Getpid(), 1}, {1, cmd.Process.Pid}, {cmd.Process.Pid, cmd.Process.Pid}, {os.Getpid(), os.Getpid()}} {
		if pid, _, err := HoldChild(pids[0], pids[1]); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("child %d of %d: %d, %v", pids[1], pids[0], pid, err)
		}
	}
	visit := Visit{At: pid, Confine: true, Held: held}
	if v, err := visit.Prepare(nil); err != nil {
		t.Error(err)
	} else {
		v.Close()
	}
	end()
	if _, err := visit.Prepare(nil); err == nil {
		t.Error("a process that is gone was visited")
	}
}

func TestIsChild(t *testing.T) {
	const status = "Name:\tx\nPPid:\t40\nNSpid:\t41\t2\n"
	for _, tt := range []struct {
		parent, inner int
		want          bool
	}{{40, 2, true}, {40, 41, false}, {4, 2, false}, {40, 1, false}} {
		if got := isChild(status, tt.parent, tt.inner); got != tt.want {
			t.Errorf("%d of %d: %v", tt.inner, tt.parent, got)
		}
	}
}
