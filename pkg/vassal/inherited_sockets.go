package vassal

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
)

// onDemand is the address of a socket that came from the emperor.
const onDemand = "(from the emperor)"

// inherit finds the sockets that the parent of this process passes to it: by LISTEN_FDS
// (sd_listen_fds(3)), or as standard input, where uWSGI's Emperor puts the socket of an
// on-demand vassal.
func (l *listeners) inherit(context.Context) error {
	count, pid, names := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDNAMES")
	for _, key := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(key)
	}
	if n, err := strconv.Atoi(count); err == nil && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		return l.adoptAll(n, strings.Split(names, ":"))
	}
	// The emperor does not know this process's name for a socket.
	if on, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fmt.Errorf("cannot use the socket on standard input: %w", err)
		}
		if err := l.adopt(fd, "socket"); err != nil {
			return err
		}
		return nullStdin()
	}
	return nil
}

func (l *listeners) adoptAll(n int, names []string) error {
	if n < 0 || n > 1024 {
		return fmt.Errorf("cannot use LISTEN_FDS=%d", n)
	}
	for i := range n {
		name := "socket"
		if i < len(names) && names[i] != "" && names[i] != "unknown" {
			name = names[i]
		}
		if err := l.adopt(3+i, name); err != nil {
			return err
		}
	}
	return nil
}

func (l *listeners) adopt(fd int, name string) error {
	s, err := sockets.Adopt(name, onDemand, fd)
	if err == nil {
		l.inherited = append(l.inherited, s)
	}
	return err
}

// nullStdin replaces the socket on standard input, so that no child inherits it.
func nullStdin() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), 0, 0)
}

// demanded reports whether sockets were passed to this process.
func (l *listeners) demanded() bool { return len(l.inherited) > 0 }
