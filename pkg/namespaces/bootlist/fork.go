package bootlist

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// Bits of clone3(2) that a 32-bit word does not have, or package unix lacks.
const (
	cloneClearSignals = 0x100000000 // CLONE_CLEAR_SIGHAND
	cloneIntoCgroup   = 0x200000000 // CLONE_INTO_CGROUP
)

// birth is all that a child needs, as plain memory.
type birth struct {
	files   [maxFiles]uintptr // its descriptors, above all numbers that they get
	count   int
	nofile  unix.Rlimit    // of its descriptors: the runtime has changed the limit of this process
	calls   unsafe.Pointer // to the first
	number  int
	data    unsafe.Pointer
	report  uintptr
	failure failure
	stack   stack
}

// stack is the part of the stack of fork that a child has: here, the address of a variable in its frame, must
// be above low and below high.
type stack struct{ here, low, high uintptr }

// fork makes a child that carries out its list. In the child it does not return. It makes none when covered is
// false: the child would not have the stack (birth.coverStack).
//
// The child has one thread and a copy of all memory. No code of the Go runtime may run in it: the
// function calls only system calls, splits no stack and allocates nothing, and all signals are
// blocked, by which the runtime would interrupt it.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func fork(args *cloneArgs, b *birth) (errno syscall.Errno, covered bool) {
	var (
		pid    uintptr
		i, j   int
		c      *call
		r      uintptr
		demand demand
	)
	b.stack.here = uintptr(unsafe.Pointer(&i))
	if b.stack.here <= b.stack.low || b.stack.here >= b.stack.high {
		return 0, false
	}
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		return errno, true
	}
	for i = 0; i < b.count; i++ {
		if _, _, errno = syscall.RawSyscall(unix.SYS_DUP3, b.files[i], uintptr(i), 0); errno != 0 {
			goto failed
		}
	}
	if _, _, errno = syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&b.nofile)), 0, 0, 0); errno != 0 {
		goto failed
	}
	for i = 0; i < b.number; i++ {
		c = (*call)(unsafe.Add(b.calls, uintptr(i)*callSize))
		r, _, errno = syscall.RawSyscall6(uintptr(c.number), uintptr(c.args[0]), uintptr(c.args[1]), uintptr(c.args[2]), uintptr(c.args[3]),
			uintptr(c.args[4]), uintptr(c.args[5]))
		demand = c.demand
		if demand == attempt {
			continue
		}
		if demand == delivers && (errno != 0 || r == 0) || demand == waits && errno != unix.EAGAIN {
			goto withdrawn
		}
		if demand == delivers || demand == waits {
			continue
		}
		if demand == refused || demand == unless {
			if demand == unless && errno == 0 {
				i += int(c.skip)
			} else if uint64(errno) != c.result && (demand == refused || c.result != 0) {
				goto failed
			}
			continue
		}
		if errno != 0 || demand == returns && uint64(r) != c.result {
			goto failed
		}
		for j = 0; j < int(c.size); j++ {
			if (*(*byte)(unsafe.Add(b.data, int(c.found)+j))^*(*byte)(unsafe.Add(b.data, int(c.wanted)+j)))&byte(c.mask) != 0 {
				goto failed
			}
		}
	}
failed:
	b.failure.call, b.failure.errno = uint32(i), uint32(errno)
	_, _, _ = syscall.RawSyscall6(unix.SYS_SENDTO, b.report, uintptr(unsafe.Pointer(&b.failure)), unsafe.Sizeof(b.failure), unix.MSG_NOSIGNAL, 0, 0)
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
withdrawn:
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
