package bootlist

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// stackRoom is the part of the stack around the frame of fork that a child has, in both directions: its frame
// and frames of system calls.
const stackRoom = 8 << 10

// leaveOut keeps the memory of this process out of its children, for whom the kernel would copy page tables
// (MADV_DONTFORK of madvise(2)): all that is writable, except for kept. The calls of a list need nothing else; a
// child that used other memory would die by a signal. With a C library it leaves out nothing: the kernel writes
// into memory of that for each of its threads (rseq(2)).
func leaveOut(kept ...[]byte) error {
	text, err := namespaces.ReadKernelFile("/proc/self/maps")
	if err != nil {
		return err
	}
	if bytes.Contains(text, []byte("[heap]")) || bytes.Contains(text, []byte(".so")) {
		return nil
	}
	for line := range bytes.Lines(text) {
		place, rest, _ := strings.Cut(string(line), " ")
		from, to, _ := strings.Cut(place, "-")
		low, err := strconv.ParseUint(from, 16, 64)
		high, errTo := strconv.ParseUint(to, 16, 64)
		if err := cmp.Or(err, errTo); err != nil {
			return fmt.Errorf("cannot read a line of /proc/self/maps: %w", err)
		}
		if !strings.HasPrefix(rest, "rw-p ") {
			continue
		}
		if err := advise(uintptr(low), uintptr(high), unix.MADV_DONTFORK); err != nil {
			return err
		}
	}
	for _, m := range kept { // which may be in one mapping with other memory
		if err := unix.Madvise(m, unix.MADV_DOFORK); err != nil {
			return os.NewSyscallError("madvise", err)
		}
	}
	return nil
}

// coverStack lets children have the stack at b.stack.here.
func (b *birth) coverStack() error {
	page := uintptr(os.Getpagesize())
	low, high := (b.stack.here-stackRoom)&^(page-1), (b.stack.here+stackRoom+page)&^(page-1)
	// The kernel passes over pages that are not mapped, which a stack does not have, with ENOMEM.
	if err := advise(low, high, unix.MADV_DOFORK); err != nil && !errors.Is(err, unix.ENOMEM) {
		return err
	}
	b.stack.low, b.stack.high = low+stackRoom/2, high-stackRoom/2
	return nil
}

func advise(low, high uintptr, how int) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, low, high-low, uintptr(how)); errno != 0 {
		return os.NewSyscallError("madvise", errno)
	}
	return nil
}
