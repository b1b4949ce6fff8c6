package timers

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, called := time.Now(), time.Time{}
		AfterFunc(time.Hour, func() { called = time.Now() })
		stopped := AfterFunc(time.Minute, func() { t.Error("a timer that was stopped has gone off") })
		time.Sleep(time.Second)
		stopped.Stop()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := called.Sub(begin); got != time.Hour {
			t.Errorf("called after %v", got)
		}
	})
}

// A process that was stopped when a timer was due receives messages for a while before it
// acts.
func TestAfterFuncAfterAStop(t *testing.T) {
	const child = "AFTER_TEST_CHILD"
	if os.Getenv(child) != "" {
		called := make(chan time.Time)
		AfterFunc(200*time.Millisecond, func() { called <- time.Now() })
		fmt.Println("begun")
		fmt.Println((<-called).UnixNano())
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var word string
	if _, err := fmt.Fscan(out, &word); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(200*time.Millisecond + grace + 300*time.Millisecond)
	goesOn := time.Now()
	_ = cmd.Process.Signal(syscall.SIGCONT)
	var called int64
	if _, err := fmt.Fscan(out, &called); err != nil {
		t.Fatal(err)
	}
	if got := time.Unix(0, called).Sub(goesOn); got < grace-10*time.Millisecond {
		t.Errorf("called %v after the process went on, want %v", got, grace)
	}
	_ = cmd.Wait()
}
