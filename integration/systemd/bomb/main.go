// Command bomb takes as much of one resource as it gets, for stories about limits in a virtual
// machine: bomb fork|memory|descriptor|thread.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	if len(os.Args) != 2 {
		os.Exit(2)
	}
	debug.SetTraceback("none") // the end for want of a thread is long enough
	switch os.Args[1] {
	case "fork":
		for {
			again()
		}
	case "memory":
		again()
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
		}
	case "descriptor":
		for {
			if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
				again()
			}
		}
	case "thread":
		again()
		for {
			go func() {
				runtime.LockOSThread()
				for {
					_ = syscall.Nanosleep(&syscall.Timespec{Sec: 1}, nil)
				}
			}()
			runtime.Gosched()
		}
	}
	os.Exit(2)
}

var kept [][]byte

// again starts the same once more, if that is possible.
func again() {
	_, _ = syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
}
