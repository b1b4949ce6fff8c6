// Command bomb takes as much of one resource as it gets, for stories about limits in a virtual
// machine: bomb fork|memory|descriptor|thread|zombie|pipe|file. It ignores requests to end.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
)

// bombs never return.
var bombs = map[string]func(){
	"fork":       func() { forever(again) },
	"memory":     memory,
	"descriptor": descriptors,
	"thread":     threads,
	"zombie":     func() { forever(func() { run("exit") }) },
	"pipe":       pipes,
	"file":       files,
	"exit":       func() { os.Exit(0) },
}

func main() {
	debug.SetTraceback("none")                                                                               // the end for want of a thread is long enough
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) // and never read
	if len(os.Args) != 2 || bombs[os.Args[1]] == nil {
		os.Exit(2)
	}
	bombs[os.Args[1]]()
}

func forever(do func()) {
	for {
		do()
	}
}

// again starts the same once more, if that is possible.
func again() { run(os.Args[1]) }

// run starts a program of this file and never waits for its end.
func run(kind string) {
	_, _ = syscall.ForkExec("/proc/self/exe", []string{os.Args[0], kind}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
}

var kept [][]byte

func memory() {
	again()
	forever(func() {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		kept = append(kept, block)
	})
}

// more raises the limit of descriptors as far as possible.
func more() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
}

func descriptors() {
	more()
	forever(func() {
		if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
			again()
		}
	})
}

func threads() {
	again()
	forever(func() {
		go func() {
			runtime.LockOSThread()
			forever(func() { _ = syscall.Nanosleep(&syscall.Timespec{Sec: 1}, nil) })
		}()
		runtime.Gosched()
	})
}

// pipes fills pipes, whose content is memory of the kernel.
func pipes() {
	more()
	block := make([]byte, 1<<20)
	forever(func() {
		var p [2]int
		if syscall.Pipe2(p[:], syscall.O_NONBLOCK) != nil {
			again()
			return
		}
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(p[1]), syscall.F_SETPIPE_SZ, 1<<20)
		for {
			if _, err := syscall.Write(p[1], block); err != nil {
				return
			}
		}
	})
}

// files fills each directory that it can write to, with many small files and one large one.
func files() {
	again()
	block := make([]byte, 4096)
	dirs := []string{"/tmp", "/var/tmp", "/dev/shm", os.Getenv("HOME")}
	for n := 0; ; n++ {
		for _, dir := range dirs {
			_ = os.WriteFile(filepath.Join(dir, fmt.Sprint(os.Getpid(), ".", n)), block, 0o600)
			if f, err := os.OpenFile(filepath.Join(dir, "large"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
				_, _ = f.Write(block)
				_ = f.Close()
			}
		}
	}
}
