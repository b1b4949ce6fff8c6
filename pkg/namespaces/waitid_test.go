package namespaces

import (
	"syscall"
	"testing"
	"time"
)

// A dead child is seen and stays unreaped.
func TestAnyDead(t *testing.T) {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(10 * time.Second); !AnyDead(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("no dead child is seen")
		}
	}
	var status syscall.WaitStatus
	if got, err := syscall.Wait4(pid, &status, 0, nil); got != pid || err != nil || status.ExitStatus() != 0 {
		t.Errorf("%d, %v, %v", got, err, status)
	}
}
