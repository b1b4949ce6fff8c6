package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/listenfds"
	"github.com/emperor-go/emperor/internal/sockets"
)

// onDemand is the address of a socket that came from the emperor.
const onDemand = "(from the emperor)"

// inherit finds the sockets that the parent of this process passes to it: by LISTEN_FDS, or as
// standard input, where uWSGI's Emperor puts the socket of an on-demand vassal.
func (l *listeners) inherit(context.Context) error {
	names, err := listenfds.Take()
	if err != nil || len(names) > 0 {
		return errors.Join(err, l.adoptAll(names))
	}
	// The emperor does not know this process's name for a socket.
	if on, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fmt.Errorf("cannot use the socket on standard input: %w", err)
		}
		if err := l.adopt(fd, listenfds.Unnamed); err != nil {
			return err
		}
		return nullStdin()
	}
	return nil
}

func (l *listeners) adoptAll(names []string) error {
	for i, name := range names {
		if err := l.adopt(listenfds.First+i, name); err != nil {
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
