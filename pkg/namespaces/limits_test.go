package namespaces

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestLimitsOfASleeper(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4001, Gid: 4002, Groups: []uint32{4003, 4004}}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	l, err := LimitsOf(cmd.Process.Pid, false)
	if err != nil {
		t.Fatal(err)
	}
	if l.UID != 4001 || l.GID != 4002 || !slices.Equal(l.Groups, []uint32{4003, 4004}) || l.NoNewPrivs || l.Bounding == 0 {
		t.Errorf("%+v", l)
	}
	if l, err := LimitsOf(cmd.Process.Pid, true); err != nil || l.UID != 4001 {
		t.Errorf("in its own user namespace, which is ours: %+v, %v", l, err)
	}
}

func TestLimitsOfNobody(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := LimitsOf(cmd.Process.Pid, false); err == nil || !strings.Contains(err.Error(), "cannot tell the rights") {
		t.Errorf("of a process that is gone: %v", err)
	}
}

func TestMappedID(t *testing.T) {
	const table = "         0       1000          1\n         1     100000      65536\n"
	for id, want := range map[uint32]uint32{1000: 0, 100000: 1, 165535: 65536} {
		if got, err := mappedID(table, id); err != nil || got != want {
			t.Errorf("%d is %d, %v; want %d", id, got, err, want)
		}
	}
	for _, id := range []uint32{0, 999, 1001, 165536} {
		if got, err := mappedID(table, id); err == nil {
			t.Errorf("%d is %d", id, got)
		}
	}
}
