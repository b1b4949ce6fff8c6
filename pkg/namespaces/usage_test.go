package namespaces

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUsageOfATree(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := cmd.Process.Pid
	if !slices.Contains(Children(os.Getpid()), child) {
		t.Errorf("%d is none of the children %v", child, Children(os.Getpid()))
	}
	if own := UsageOf(child); own.RSS == 0 || TreeUsage(os.Getpid()).RSS <= own.RSS {
		t.Errorf("the child has %v, it and its parent %v", own, TreeUsage(os.Getpid()))
	}
	if IsZombie(child) {
		t.Error("who lives is called a zombie")
	}
	in.Close()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, child, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if !IsZombie(child) {
		t.Error("who is dead and not reaped is no zombie")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if u := TreeUsage(child); u != (Usage{}) || IsZombie(child) || Children(child) != nil {
		t.Errorf("who is gone uses %v", u)
	}
}
