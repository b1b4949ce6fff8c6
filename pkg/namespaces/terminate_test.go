package namespaces

import (
	"io"
	"os/exec"
	"testing"
	"time"
)

// All processes of a tree that hold its output open end with it.
func TestKillTree(t *testing.T) {
	cmd := exec.Command("sh", "-c", "(sleep 1000 & sh -c 'echo there; sleep 1000; true') & wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("there\n"))); err != nil {
		t.Fatal(err)
	}
	KillTree(cmd.Process.Pid)
	closed := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, out); closed <- err }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("a process of the tree lives on")
	}
	_ = cmd.Wait()
}
