package outset

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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

// A process without further tasks lives on with the threads that it has.
func TestGrow(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can take a user that has no other processes")
	}
	const nobodyElse = 54321
	program := filepath.Join(t.TempDir(), "grow")
	for _, err := range []error{os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755), os.Chmod(filepath.Dir(program), 0o755), copyFile(os.Args[0], program)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), roleEnv+"=grow")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyElse, Gid: nobodyElse}}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "refused\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// grow is the process of TestGrow.
func grow() string {
	const more = 3
	before := tasks()
	if !Grow(1) {
		return "no thread"
	}
	var usual syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_NPROC, &usual); err != nil {
		return err.Error()
	}
	limit := syscall.Rlimit{Cur: uint64(before + more), Max: usual.Max}
	if err := syscall.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return err.Error()
	}
	// The runtime may need a thread to end, and has no way to do without.
	defer func() { _ = syscall.Setrlimit(unix.RLIMIT_NPROC, &usual) }()
	if Grow(before + 30) {
		return fmt.Sprintf("%d threads, limit %d", tasks(), limit.Cur)
	}
	return "refused"
}
