package bootlist

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// slot is memory that a Forker shares with its server. The kernel writes the pid of a child there
// before the child runs (CLONE_PARENT_SETTID of clone(2)), so that a child is known whose server
// has died before its answer.
type slot struct{ memory []byte }

// newSlot returns an empty slot, and its file for a server. The caller closes both.
func newSlot() (*slot, *os.File, error) {
	file, err := memfd.Shared("last child", int64(os.Getpagesize()))
	if err != nil {
		return nil, nil, err
	}
	s, err := openSlot(int(file.Fd()))
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return s, file, nil
}

// openSlot maps the slot of a descriptor, which can be closed then.
func openSlot(fd int) (*slot, error) {
	memory, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot map the slot of a child: %w", err)
	}
	return &slot{memory}, nil
}

func (s *slot) pid() *int32 { return (*int32)(unsafe.Pointer(&s.memory[0])) }

// take empties the slot, and returns the pid in it; 0: none.
func (s *slot) take() int { return int(atomic.SwapInt32(s.pid(), 0)) }

func (s *slot) close() { _ = unix.Munmap(s.memory) }
