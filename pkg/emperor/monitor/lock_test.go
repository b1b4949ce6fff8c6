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
