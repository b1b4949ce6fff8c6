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
	// It allocates some memory: the kernel accounts a few pages late (percpu_counter).
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `x=$(head -c 4000000 /dev/zero | tr '\0' x); echo ready; read y`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	child := cmd.Process.Pid
	if !slices.Contains(Children(os.Getpid()), child) {
		t.Errorf("%d is none of the children %v", child, Children(os.Getpid()))
	}
	if own := UsageOf(child); own.RSS < 4000000 || TreeUsage(os.Getpid()).RSS <= own.RSS {
		t.Errorf("the child has %v, it and its parent %v", own, TreeUsage(os.Getpid()))
	}
	if pss, ok := PSS(child); !ok || pss < 4000000 || pss > UsageOf(child).RSS {
		t.Errorf("the child has %d bytes for itself, %v, of %d", pss, ok, UsageOf(child).RSS)
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
	_ = cmd.Wait() // read(1) reports an empty input
	if _, ok := PSS(child); ok {
		t.Error("who is gone has memory")
	}
	if u := TreeUsage(child); u != (Usage{}) || IsZombie(child) || Children(child) != nil {
		t.Errorf("who is gone uses %v", u)
	}
}

func TestUserOf(t *testing.T) {
	if uid, ok := UserOf(os.Getpid()); !ok || int(uid) != os.Geteuid() {
		t.Errorf("this process runs as %d, %v", uid, ok)
	}
	if uid, ok := UserOf(0); ok {
		t.Errorf("no process runs as %d", uid)
	}
}
