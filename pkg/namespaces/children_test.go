package namespaces

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The environment is that of the child which was meant, and of no other process.
func TestChildEnviron(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.Env = []string{"WHOSE=its own"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	text, err := ChildEnviron(os.Getpid(), cmd.Process.Pid)
	if err != nil || !strings.HasPrefix(string(text), "WHOSE=its own\x00") {
		t.Errorf("%q, %v", text, err)
	}
	for _, pids := range [][2]int{{os.Getpid(), 1}, {1, cmd.Process.Pid}, {cmd.Process.Pid, cmd.Process.Pid}, {os.Getpid(), os.Getpid()}} {
		if text, err := ChildEnviron(pids[0], pids[1]); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("child %d of %d: %q, %v", pids[1], pids[0], text, err)
		}
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
