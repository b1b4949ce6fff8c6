package address

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// SockaddrOf returns an address, as it is written, in the kernel's form.
func SockaddrOf(text string) (unix.Sockaddr, error) {
	a, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return a.Sockaddr()
}

func family(to unix.Sockaddr) int {
	switch to.(type) {
	case *unix.SockaddrInet4:
		return unix.AF_INET
	case *unix.SockaddrInet6:
		return unix.AF_INET6
	}
	return unix.AF_UNIX
}

// Reachable reports whether a process accepts connections on an address now.
func Reachable(text string) (bool, error) {
	to, err := SockaddrOf(text)
	if err != nil {
		return false, err
	}
	fd, err := unix.Socket(family(to), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	// Limits connect(2), which for TCP could take minutes.
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1})
	return unix.Connect(fd, to) == nil, nil
}

// Dial connects to an address. The connection supports deadlines; the caller closes it.
func Dial(ctx context.Context, text string) (*os.File, error) {
	to, err := SockaddrOf(text)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family(to), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, to)
	conn := os.NewFile(uintptr(fd), text)
	if errors.Is(err, unix.EINPROGRESS) {
		err = connected(ctx, conn)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connected waits for the end of a connect(2) in progress.
func connected(ctx context.Context, conn *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var result int
	err = raw.Write(func(fd uintptr) bool {
		if _, err := unix.Getpeername(int(fd)); err == nil {
			return true
		}
		result, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return err != nil || result != 0
	})
	if err == nil && result != 0 {
		err = unix.Errno(result)
	}
	return err
}
