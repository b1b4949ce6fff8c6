package monitor

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A second emperor on a directory is refused while the first one lives.
func TestLockNamesTheFirst(t *testing.T) {
	d, dir := newDir(t, 0)
	first := exec.Command("flock", "--no-fork", dir, "sleep", "60")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	want := "another emperor does (pid " + strconv.Itoa(first.Process.Pid) + ")"
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		f, err := d.Lock()
		if err != nil && strings.Contains(err.Error(), want) {
			break
		}
		if f != nil {
			f.Close()
		}
		if time.Now().After(end) {
			t.Fatalf("Lock: %v, want %s", err, want)
		}
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	f, err := d.Lock()
	if err != nil || f == nil {
		t.Fatalf("Lock after the first is gone: %v", err)
	}
	defer f.Close()
	if again, err := d.Lock(); err != nil || again != nil {
		t.Errorf("Lock of one's own: %v, %v", again, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the lock left %v, %v", left, err)
	}
}

// A first one that was killed, and that nobody has reaped yet, is waited for while a
// process of its own still has the lock.
func TestLockOfAZombie(t *testing.T) {
	d, dir := newDir(t, 0)
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
	f, err := d.Lock()
	if err != nil || f == nil {
		t.Fatalf("Lock while the first is a zombie: %v", err)
	}
	f.Close()
}
