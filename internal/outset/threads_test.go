package outset

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// tasks returns the number of threads.
func tasks() int {
	list, _ := os.ReadDir("/proc/self/task")
	return len(list)
}

// The threads exist afterwards, and long system calls use them.
func TestThreads(t *testing.T) {
	n := tasks() + 12
	Threads(n)
	before := tasks()
	if before < n {
		t.Errorf("%d threads, want %d", before, n)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			_, _ = syscall.Read(pipe[0], make([]byte, 1)) // blocks its thread
		})
	}
	for range 100 {
		runtime.Gosched()
	}
	after := tasks()
	syscall.Close(pipe[1])
	group.Wait()
	syscall.Close(pipe[0])
	if after > before {
		t.Errorf("%d threads before, %d after", before, after)
	}
}

// However many threads there were before, there are as many as were asked for, beside those
// that the runtime and main have for themselves. The process is like a master: main is locked
// to its thread, and signals are received.
func TestReserve(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=reserve")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "enough\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// reserve is the process of TestReserve.
func reserve() string {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	for _, more := range []int{1, 4, 20} {
		n := tasks() + more
		Reserve(n)
		if after := tasks(); after < own+n {
			return fmt.Sprintf("%d threads, want %d", after, own+n)
		}
	}
	return "enough"
}
