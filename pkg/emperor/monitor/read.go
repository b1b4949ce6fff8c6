package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// errBusy says that somebody has the file open for writing: it may be half
// written, and it is read when the writer closes it.
var errBusy = errors.New("is being written")

// fileStat is what tells, without reading a file, that it is the same as before.
// The change time cannot be set by a program, so it catches what a restored
// modification time would hide.
type fileStat struct {
	dev, ino            uint64
	size                int64
	modified, statusChg unix.Timespec
	uid, gid            uint32
}

func statOf(fd int) (fileStat, uint32, error) {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return fileStat{}, 0, err
	}
	return fileStat{
		dev: s.Dev, ino: s.Ino, size: s.Size, modified: s.Mtim, statusChg: s.Ctim, uid: s.Uid, gid: s.Gid,
	}, s.Mode & unix.S_IFMT, nil
}

// content is what was read.
type content struct {
	data    []byte
	stat    fileStat
	printed bool // the file was executed, and data is its output
}

// readConfig reads the file name in the directory dir. The name is resolved
// once; everything after that happens to the file that was found, whatever its
// name has come to mean. When the file is still as in known, it returns
// unchanged and reads nothing.
func readConfig(dir int, name string, known fileStat, o DirOptions) (c content, unchanged bool, err error) {
	// O_PATH opens nothing yet: no device is touched and no FIFO blocks.
	found, err := unix.Openat(dir, name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return c, false, err
	}
	defer unix.Close(found)
	st, kind, err := statOf(found)
	switch {
	case err != nil:
		return c, false, err
	case kind != unix.S_IFREG:
		return c, false, fmt.Errorf("is %s, not a regular file", kindName(kind))
	case st.size > MaxConfig:
		return c, false, fmt.Errorf("is larger than %d bytes", MaxConfig)
	}
	if o.NoFollow {
		if link, ok := linkStat(dir, name); ok {
			link.uid, link.gid = st.uid, st.gid // whoever owns what is read
			st = link
		}
	}
	c.stat = st
	if st == known {
		return c, true, nil
	}
	path := fmt.Sprintf("/proc/self/fd/%d", found)
	c.printed = o.MagicExec && unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) == nil
	if c.printed {
		c.data, err = outputOf(found, name, st.uid)
	} else {
		c.data, err = readStill(path)
	}
	return c, false, err
}

// linkStat is that of a symbolic link itself.
func linkStat(dir int, name string) (st fileStat, ok bool) {
	link, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return st, false
	}
	defer unix.Close(link)
	st, kind, err := statOf(link)
	return st, err == nil && kind == unix.S_IFLNK
}

// readStill reads a file that nobody is writing. A read lease (fcntl(2),
// F_SETLEASE) is granted only when no descriptor is open for writing anywhere,
// and holds back new writers until the descriptor is closed here.
func readStill(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); errors.Is(err, unix.EAGAIN) {
		return nil, errBusy
	} // Other errors: a file system without leases, or not our file. Read as it is.
	data, err := io.ReadAll(io.LimitReader(f, MaxConfig+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > MaxConfig:
		return nil, fmt.Errorf("is larger than %d bytes", MaxConfig)
	}
	return data, nil
}

func (s fileStat) touched() time.Time { return time.Unix(s.modified.Unix()) }

func kindName(kind uint32) string {
	switch kind {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "something else"
}
