// Package ptmx creates pseudoterminals. It is small, because the master of a vassal links it.
package ptmx

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open creates a terminal. The caller closes both sides. The master side does not block, and
// neither side is inherited. The other side is opened without a path, so no /dev/pts need be
// mounted (ioctl_tty(2), TIOCGPTPEER).
func Open() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a terminal: %w", err)
	}
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	peer, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if err == nil && no != 0 {
		err = no
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, nil, fmt.Errorf("cannot make a terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "pty"), os.NewFile(peer, "tty"), nil
}

// NoISig stops keys such as Ctrl-C from sending signals.
func NoISig(terminal *os.File) error {
	raw, err := terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var t *unix.Termios
		if t, failed = unix.IoctlGetTermios(int(fd), unix.TCGETS); failed == nil {
			t.Lflag &^= unix.ISIG
			failed = unix.IoctlSetTermios(int(fd), unix.TCSETS, t)
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// CopySize copies the window size of the descriptor from, which may have none, to a terminal.
func CopySize(to *os.File, from int) {
	raw, err := to.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if size, err := unix.IoctlGetWinsize(from, unix.TIOCGWINSZ); err == nil {
			_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size)
		}
	})
}
