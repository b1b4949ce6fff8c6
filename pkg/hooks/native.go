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

// IsNative reports whether this program can call C functions.
const IsNative = true

// loaded holds the paths of the libraries, for messages.
var loaded atomic.Pointer[[]string]

// Load loads shared libraries for hooks, and calls the init functions of plugins on the
// calling thread. It reports to warn each existing but optional library that it cannot load.
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

// locate finds a function in the loaded libraries.
func locate(symbol string) (uintptr, error) {
	f, err := purego.Dlsym(purego.RTLD_DEFAULT, symbol)
	if err == nil && f != 0 {
		return f, nil
	}
	searched := "only the C library is loaded; dlopen = LIBRARY loads others"
	if list := loaded.Load(); list != nil {
		searched = strings.Join(*list, ", ") + " and the C library"
	}
	return 0, fmt.Errorf("cannot call %q: no such function (searched: %s)", symbol, searched)
}

// callNative calls a function on the calling thread. The caller locks its goroutine to the
// thread when effects on the thread are to last. A string is valid until the function returns.
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

// watchFiles calls f. The Go runtime raises the process's limit of open files, and restores it
// for each program that it executes, unless it sees that the program has changed the limit: f
// may do so.
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

// sigaction is the struct of the C libraries; glibc and musl have the same.
type sigaction struct {
	handler  uintptr
	mask     [128]byte
	flags    int32
	restorer uintptr
}

// The flags of a handler: Go's threads require a separate signal stack.
const (
	saOnStack = 0x08000000
	saRestart = 0x10000000
)

// handleNative installs a C function as the handler of a signal of this process, until the
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
