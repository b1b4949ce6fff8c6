package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// pipeSize is the default capacity of a pipe, in bytes (pipe(7)).
	pipeSize = 64 << 10
	// outputRoom is how many bytes a vassal's programs can print while this process is stopped
	// (SIGSTOP, a freezer, a debugger) before they block. It is the most that a user without
	// privileges may set (fs.pipe-max-size).
	outputRoom = 1 << 20
)

// pipe makes a pipe that the emperor reads without blocking. The programs of the vassal write as
// usual, with any user.
func pipe() (read, write *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	read, write = os.NewFile(uintptr(ends[0]), "output"), os.NewFile(uintptr(ends[1]), "output of the vassal")
	err = write.Chmod(namespaces.WrittenByName)
	return read, write, errors.Join(err, unix.SetNonblock(ends[0], true)) // after NewFile: out of the runtime's poller
}

// pipeSizer enlarges pipes. The zero value has enlarged none.
//
// A user without privileges has a share for all pipes (fs.pipe-user-pages-soft). When it is
// used up, each new pipe of that user, for any purpose, holds two pages only: the pipeSizer uses
// at most half of the share.
type pipeSizer struct{ taken atomic.Int64 } // bytes of the share

// enlarge enlarges a pipe to outputRoom, or less when the kernel refuses that. It returns the
// used part of the share, which the caller returns when it closes the pipe.
func (p *pipeSizer) enlarge(f *os.File) (part int64) {
	share := pipeShare()
	if share > 0 && p.taken.Add(outputRoom) > share/2 {
		p.taken.Add(-outputRoom)
		return 0
	}
	for size := outputRoom; size > pipeSize; size /= 2 {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, size); err == nil {
			break
		}
	}
	if share == 0 {
		return 0
	}
	return outputRoom
}

func (p *pipeSizer) release(part int64) { p.taken.Add(-part) }

// pipeShare returns how many bytes all pipes of this user may hold before new ones become
// small; zero: unlimited.
var pipeShare = sync.OnceValue(func() int64 {
	if namespaces.Capable(unix.CAP_SYS_RESOURCE, unix.CAP_SYS_ADMIN) {
		return 0
	}
	text, err := os.ReadFile("/proc/sys/fs/pipe-user-pages-soft")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return pages * int64(os.Getpagesize())
})
