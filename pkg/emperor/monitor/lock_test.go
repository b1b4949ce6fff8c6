package monitor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lockable is a monitor that claims what it governs.
type lockable interface {
	Monitor
	Lock() error
	Unlock()
}

// governing returns a new monitor of a directory, or of a pattern.
func governing(t *testing.T, what string) lockable {
	t.Helper()
	var m lockable
	var err error
	if strings.Contains(what, "*") {
		m, err = NewGlob(what, DirOptions{Log: discard})
	} else {
		m, err = NewDir(what, DirOptions{Log: discard})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Unlock)
	return m
}

// A second emperor on a directory is refused while the first one lives.
func TestLockNamesTheFirst(t *testing.T) {
	dir := t.TempDir()
	first := exec.Command("flock", "--no-fork", dir, "sleep", "60")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	want := "another emperor does (pid " + strconv.Itoa(first.Process.Pid) + ")"
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d := governing(t, dir)
		err := d.Lock()
		if err != nil && strings.Contains(err.Error(), want) {
			break
		}
		d.Unlock()
		if time.Now().After(end) {
			t.Fatalf("Lock: %v, want %s", err, want)
		}
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	if err := governing(t, dir).Lock(); err != nil {
		t.Fatalf("Lock after the first is gone: %v", err)
	}
	if err := governing(t, dir).Lock(); err != nil {
		t.Errorf("Lock of one's own: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the lock left %v, %v", left, err)
	}
}

// A first one that was killed, and that is not reaped yet, is waited for while a
// process of its own still has the lock.
func TestLockOfAZombie(t *testing.T) {
	dir := t.TempDir()
	first := exec.Command("flock", dir, "sh", "-c", "echo locked; exec sleep 0.5")
	said, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer first.Wait()
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = first.Process.Kill()
	if err := governing(t, dir).Lock(); err != nil {
		t.Fatalf("Lock while the first is a zombie: %v", err)
	}
}

// TestHelperHoldsAPattern is the other emperor in TestLockOfAPattern.
func TestHelperHoldsAPattern(t *testing.T) {
	pattern := os.Getenv("MONITOR_TEST_LOCKS")
	if pattern == "" {
		t.Skip("it is only run by TestLockOfAPattern")
	}
	if err := governing(t, pattern).Lock(); err != nil {
		os.Stdout.WriteString("refused: " + err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("locked\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends it
}

// other lets another process lock something until the context ends, and returns its pid and
// what it says first.
func other(ctx context.Context, t *testing.T, what string) (pid int, says string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHelperHoldsAPattern$")
	cmd.Env = append(os.Environ(), "MONITOR_TEST_LOCKS="+what)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	text := make([]byte, 1000)
	n, _ := out.Read(text)
	return cmd.Process.Pid, string(text[:n])
}

// Two emperors on one pattern would start everything twice, as would one on a pattern and
// one on its directory. Other patterns in that directory are another emperor's.
func TestLockOfAPattern(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		first, second string
		refused       bool
	}{
		{dir + "/*.ini", dir + "/*.ini", true},
		{dir + "/*.ini", dir + "/./*.ini", true},
		{dir + "/*/v.ini", dir + "/*/v.ini", true},
		{dir + "/*.ini", dir, true},
		{dir, dir + "/*.ini", true},
		{dir + "/a*.ini", dir + "/b*.ini", false},
		{dir + "/*/v.ini", dir, false},
		{dir + "/none/*.ini", dir + "/none/*.ini", true},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		first := governing(t, tt.first)
		if err := first.Lock(); err != nil {
			t.Fatal(err)
		}
		_, says := other(ctx, t, tt.second)
		want := "locked"
		if tt.refused {
			want = "refused: cannot govern "
		}
		if !strings.HasPrefix(says, want) || tt.refused && !strings.Contains(says, "another emperor does (pid "+strconv.Itoa(os.Getpid())+")") {
			t.Errorf("%s, then %s: %s", tt.first, tt.second, says)
		}
		again := governing(t, tt.first)
		if err := again.Lock(); err != nil {
			t.Errorf("twice in one process: %v", err)
		}
		cancel()
		again.Unlock()
		first.Unlock()
	}
	ctx, kill := context.WithCancel(t.Context())
	pid, says := other(ctx, t, filepath.Join(dir, "*.ini"))
	if says != "locked\n" {
		t.Fatal(says)
	}
	if err := governing(t, dir+"/*.ini").Lock(); err == nil || !strings.Contains(err.Error(), "(pid "+strconv.Itoa(pid)+")") {
		t.Errorf("%v, want pid %d", err, pid)
	}
	kill()
	for end := time.Now().Add(5 * time.Second); governing(t, dir+"/*.ini").Lock() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a pattern is locked by a process that is gone")
		}
	}
}
