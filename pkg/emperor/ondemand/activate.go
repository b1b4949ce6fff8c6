// Package ondemand has the sockets of on-demand vassals: it finds their addresses and binds
// them. It implements emperor.Activator.
package ondemand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// Sockets is the Activator of uWSGI's options: the ways to find the address of an on-demand
// vassal, in the order in which they are tried. The zero value makes no vassal on demand.
type Sockets struct {
	// Extension: the file NAME+Extension contains the address.
	Extension string
	// Directory: the address is the unix socket Directory/NAME.socket, NAME without its
	// extension.
	Directory string
	// Exec is a command that prints the address; NAME is its first argument.
	Exec string
	// Reads limits reads of files. Nil: no limit.
	Reads *reads.Pool
	// Mode, UID and GID of unix sockets. UID and GID of -1: the emperor's.
	Mode     os.FileMode
	UID, GID int
}

// None reports whether no vassal is on demand.
func (s Sockets) None() bool { return s.Extension == "" && s.Directory == "" && s.Exec == "" }

// Activate implements Activator.
func (s Sockets) Activate(ctx context.Context, p emperor.Plan) (emperor.Activation, error) {
	text, owner, err := s.address(ctx, p)
	if text == "" || err != nil {
		return nil, err
	}
	text = address.In(p.Dir, text) // the directory of the vassal's own relative names, as in uWSGI
	a := &activation{address: text, reads: s.Reads}
	a.place, err = reads.Get(ctx, s.Reads, text, func() (address.Place, error) { return address.Placed(text, "/"), nil })
	if err == nil {
		err = emperor.Conflict(a, p)
	}
	if a.home = p.Owned && isTenant(owner); err == nil && a.home && !address.InFiles(text) {
		err = fmt.Errorf("cannot wait for connections on %s: uid %d named it, and in tyrant mode a tenant's socket is a path in a directory of "+
			"the tenant (root must own the file)", address.Quote(text), owner)
	}
	if err != nil {
		return nil, err
	}
	bound, err := s.bind(ctx, a, owner)
	if err != nil {
		return nil, fmt.Errorf("cannot wait for connections on %s: %w", address.Quote(text), cause.Of(err))
	}
	return bound, nil
}

// activation is a bound socket. It implements Activation.
type activation struct {
	address string
	place   address.Place
	file    *os.File
	inode   uint64 // of a unix socket's path, to remove only our own; otherwise 0
	home    bool   // the directory must belong to the user who named the address
	reads   *reads.Pool
}

// String implements Activation.
func (a *activation) String() string { return a.address }

// Conflicts implements Activation.
func (a *activation) Conflicts(own address.Place) bool { return a.place.Meets(own) }

// Socket implements Activation.
func (a *activation) Socket() *os.File { return a.file }

// Wait implements Activation. It watches the socket through an epoll set of its own: the
// vassal shares the socket's file description, whose flags must not change.
func (a *activation) Wait(ctx context.Context) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(fd, true)
	poll := os.NewFile(uintptr(fd), "epoll")
	defer poll.Close()
	socket, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	control := socket.Control(func(s uintptr) {
		err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(s), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s)})
	})
	if err = errors.Join(control, err); err != nil {
		return fmt.Errorf("cannot watch %q: %w", a.address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = poll.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := poll.SyscallConn()
	if err != nil {
		return err
	}
	wait := raw.Read(func(fd uintptr) bool {
		var events [1]unix.EpollEvent
		n, failed := unix.EpollWait(int(fd), events[:], 0)
		err = failed
		return n > 0 || failed != nil && !errors.Is(failed, unix.EINTR)
	})
	return errors.Join(wait, err)
}

// Lost implements Activation. A path that leads to another file is not lost: a program may have
// put a socket of its own there.
func (a *activation) Lost(ctx context.Context) bool {
	if a.inode == 0 {
		return false
	}
	lost, err := reads.Get(ctx, a.reads, a.address, func() (bool, error) {
		_, err := os.Lstat(a.address)
		return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR), nil
	})
	return err == nil && lost
}

// Close implements Activation.
func (a *activation) Close() error {
	if a.inode == 0 {
		return a.close()
	}
	return a.reads.Do(context.Background(), a.address, func(reads.At) error { return a.close() })
}

func (a *activation) close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	if a.inode == 0 {
		return err
	}
	at, gone := spotOf(a.address)
	if gone != nil {
		return err
	}
	defer at.dir.Close()
	return errors.Join(err, at.remove(a.inode))
}
