package outset

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// The threads exist afterwards, and long system calls use them.
func TestThreads(t *testing.T) {
	n := threads(t) + 12
	Threads(n)
	before := threads(t)
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
	after := threads(t)
	syscall.Close(pipe[1])
	group.Wait()
	syscall.Close(pipe[0])
	if after > before {
		t.Errorf("%d threads before, %d after", before, after)
	}
}

// However many threads there were before, there are as many as were asked for, beside those
// that the runtime and main have for themselves.
func TestReserve(t *testing.T) {
	for _, n := range []int{1, 4, 20} {
		n += threads(t)
		Reserve(n)
		if after := threads(t); after < own+n {
			t.Errorf("%d threads, want %d", after, own+n)
		}
	}
}
