//go:build native

package hooks

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// IsNative tells whether this program can call functions of C.
const IsNative = true

// loaded are the paths of the libraries, for messages.
var loaded atomic.Pointer[[]string]

// Load makes the functions of shared libraries reachable for hooks, and calls the
// functions by which plugins begin, on the calling thread. Each library that is
// wanted but optional, and cannot be loaded, is told to warn.
func (l Libraries) Load(warn func(error)) error {
	for _, p := range l.Plugins {
		err := l.load(p)
		if err != nil && p.Optional {
			warn(err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (l Libraries) load(p Plugin) error {
	path, err := l.find(p)
	if err != nil {
		return err
	}
	if _, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL); err != nil {
		return fmt.Errorf("cannot load %q: %w", path, err)
	}
	var list []string
	if before := loaded.Load(); before != nil {
		list = append(list, *before...)
	}
	list = append(list, path)
	loaded.Store(&list)
	if p.Init == "" {
		return nil
	}
	return callNative(p.Init, cVoid, nil)
}

// locate finds a function in all that is loaded.
func locate(symbol string) (uintptr, error) {
	f, err := purego.Dlsym(purego.RTLD_DEFAULT, symbol)
	if err == nil && f != 0 {
		return f, nil
	}
	searched := "the C library alone; dlopen = LIBRARY names others"
	if list := loaded.Load(); list != nil {
		searched = strings.Join(*list, ", ") + " and the C library"
	}
	return 0, fmt.Errorf("cannot call %q: there is no such function (searched: %s)", symbol, searched)
}

// callNative calls a function on the thread of its caller, which must be locked to
// it for the effect on the thread to last. A string is good until the function
// returns.
func callNative(symbol string, how signature, list []cArg) error {
	f, err := locate(symbol)
	if err != nil {
		return err
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	words := make([]uintptr, len(list))
	for i, a := range list {
		words[i] = a.number
		if a.text != nil {
			b := append([]byte(*a.text), 0)
			pins.Pin(&b[0])
			words[i] = uintptr(unsafe.Pointer(&b[0]))
		}
	}
	result := watchFiles(func() uintptr {
		r, _, _ := purego.SyscallN(f, words...)
		return r
	})
	if n := int32(result); n != 0 && (how == cRet || how == cIntRet) {
		return fmt.Errorf("%s returned %d", symbol, n)
	}
	return nil
}

// watchFiles calls f. The Go runtime raises the limit of open files for itself and
// puts it back for each program that it executes, unless it knows that somebody
// has set another: f may have.
func watchFiles(f func() uintptr) uintptr {
	var before, after unix.Rlimit
	errBefore := unix.Getrlimit(unix.RLIMIT_NOFILE, &before)
	result := f()
	errAfter := unix.Getrlimit(unix.RLIMIT_NOFILE, &after)
	if errBefore == nil && errAfter == nil && before != after {
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: after.Cur, Max: after.Max})
	}
	return result
}

// sigaction is that of the C libraries: glibc and musl agree on it.
type sigaction struct {
	handler  uintptr
	mask     [128]byte
	flags    int32
	restorer uintptr
}

// The flags of a handler: Go's threads ask for a stack of its own.
const (
	saOnStack = 0x08000000
	saRestart = 0x10000000
)

// handleNative has a function of C handle a signal of this process, until the
// next execve.
func handleNative(sig syscall.Signal, symbol string) error {
	handler, err := locate(symbol)
	if err != nil {
		return err
	}
	set, err := locate("sigaction")
	if err != nil {
		return err
	}
	a := &sigaction{handler: handler, flags: saOnStack | saRestart}
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(a)
	if r, _, _ := purego.SyscallN(set, uintptr(sig), uintptr(unsafe.Pointer(a)), 0); int32(r) != 0 {
		return fmt.Errorf("cannot handle signal %d by %q", sig, symbol)
	}
	return nil
}
