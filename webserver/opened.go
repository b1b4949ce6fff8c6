package webserver

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// opened is an open file or directory with its attributes. It is no os.File: that costs two
// more system calls and an allocation, and most files are sent without one.
type opened struct {
	fd    int
	seen  time.Time // just before about
	about unix.Stat_t
	held  *os.File // nil: none yet
}

// stat completes an opened file, or closes it.
func stat(fd int) (opened, error) {
	o := opened{fd: fd, seen: time.Now()}
	for {
		switch err := unix.Fstat(fd, &o.about); err {
		case nil:
			return o, nil
		case unix.EINTR:
		default:
			o.close()
			return opened{}, err
		}
	}
}

func (o *opened) isDir() bool     { return o.about.Mode&unix.S_IFMT == unix.S_IFDIR }
func (o *opened) isRegular() bool { return o.about.Mode&unix.S_IFMT == unix.S_IFREG }

func (o *opened) modTime() time.Time {
	return time.Unix(int64(o.about.Mtim.Sec), int64(o.about.Mtim.Nsec)) //nolint:unconvert // 32 bits on some machines
}

func (o *opened) close() {
	if o.held != nil {
		o.held.Close()
		return
	}
	_ = unix.Close(o.fd)
}

// file returns the file for package net/http. It is closed with o.
func (o *opened) file() *os.File {
	if o.held == nil {
		o.held = os.NewFile(uintptr(o.fd), "")
	}
	return o.held
}

// read fills b from the start of the file, and returns the bytes until the end of the file.
func (o *opened) read(b []byte) (n int, err error) {
	for n < len(b) {
		m, err := unix.Pread(o.fd, b[n:], int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, err
		case m == 0:
			return n, nil
		}
		n += m
	}
	return n, nil
}
