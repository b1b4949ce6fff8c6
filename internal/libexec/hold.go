package libexec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Program is a program that was opened once. A file that later takes its place, such as the next
// version of a package, does not change it.
type Program struct {
	// Path is its path at that time, for messages.
	Path string
	// At is the path by which this process and its children execute it, and which only needs the
	// permissions of the file itself.
	At string
	// File is the descriptor behind At (O_PATH), above the descriptors that children get. Nil: At is
	// Path. No child inherits it.
	File *os.File
}

// heldFD is the first descriptor of open programs, above all that a child gets by number.
const heldFD = 64

// Hold opens a program for the life of this process. It refuses a program that users can change who cannot
// change this one. Its owner must be root, this process's user or the owner of this program, and no other user
// or group may write to it. A script, and a program in a process without its own /proc, is not held: its
// interpreter, or the kernel, needs the path. Neither is an incomplete program, which a whole one may replace.
func Hold(path string) (*Program, error) {
	p := &Program{Path: path, At: path}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, fmt.Errorf("cannot examine %q: %w", path, err)
	}
	if err := trusted(&info); err != nil {
		return nil, fmt.Errorf("cannot use %q: %w", path, err)
	}
	held, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, heldFD)
	if err != nil {
		return p, nil //nolint:nilerr // so few descriptors: the path is as good as before
	}
	f, at := os.NewFile(uintptr(held), path), "/proc/self/fd/"+strconv.Itoa(held)
	var seen unix.Stat_t
	if unix.Stat(at, &seen) != nil || seen.Ino != info.Ino || seen.Dev != info.Dev || isScript(at) || isCut(at, info.Size) {
		return p, f.Close()
	}
	p.At, p.File = at, f
	return p, nil
}

// Close closes the descriptor of a held program.
func (p *Program) Close() {
	if p != nil && p.File != nil {
		p.File.Close()
	}
}

// trusted returns an error for a program that users can change who cannot change this one.
func trusted(info *unix.Stat_t) error {
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &own); err != nil {
		own.Uid, own.Gid = uint32(os.Geteuid()), uint32(os.Getegid())
	}
	const root = 0
	switch {
	case info.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is no file")
	case info.Uid != root && info.Uid != uint32(os.Geteuid()) && info.Uid != own.Uid:
		return fmt.Errorf("it belongs to uid %d (chown root)", info.Uid)
	case info.Mode&0o002 != 0:
		return errors.New("every user can change it (chmod o-w)")
	case info.Mode&0o020 != 0 && info.Gid != root && info.Gid != uint32(os.Getegid()) && info.Gid != own.Gid:
		return fmt.Errorf("gid %d can change it (chmod g-w)", info.Gid)
	}
	return nil
}

// isScript reports whether a file needs an interpreter. A file that cannot be read is none: no
// interpreter could read it.
func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "#!"
}

// isCut reports whether a file that can be read ends before its program does: before the table of its segments, or
// a segment that is loaded (elf(5), of 64 bits). debug/elf would be the largest part of this package.
func isCut(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	const headerSize, loaded = 64, 1
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(f, head); err != nil {
		return true
	}
	if string(head[:5]) != "\x7fELF\x02" {
		return false
	}
	order := binary.NativeEndian
	entry := make([]byte, order.Uint16(head[54:]))
	for i := range int64(order.Uint16(head[56:])) {
		if _, err := f.ReadAt(entry, int64(order.Uint64(head[32:]))+i*int64(len(entry))); err != nil || len(entry) < 40 {
			return true
		}
		if order.Uint32(entry) == loaded && order.Uint64(entry[8:])+order.Uint64(entry[32:]) > uint64(size) {
			return true
		}
	}
	return false
}
