package workers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// acceptFirst and acceptMax limit the pause between two checks whether a process has accepted
	// a connection.
	acceptFirst = time.Millisecond
	acceptMax   = 50 * time.Millisecond
	// acceptTime limits the wait for that in one attempt.
	acceptTime = time.Second
)

// errIdle is returned for a connection that stays in the queue of its socket.
var errIdle error = idle{}

type idle struct{}

func (idle) Error() string {
	return fmt.Sprintf("no process has accepted a connection within %v", acceptTime)
}

// errOther is the cause of the error about an answer of another process than a new worker.
var errOther = errors.New("another process than a new worker answers")

// ownerSearch finds the process at the other end of a connection. The tree of a worker consists
// of its descendants with living parents, the processes of its session, and orphans in other
// sessions that are younger than the worker.
type ownerSearch struct {
	question Question
	conn     *os.File
}

// forOwner returns nil when a process of the crew has accepted the connection.
func (l *ownerSearch) forOwner(ctx context.Context) error {
	inode, err := l.accepted(ctx)
	if err != nil {
		if pid := listenerOf(l.conn); pid > 0 && !errors.Is(err, errIdle) { // the kernel has no sock_diag for this socket
			return l.belongs(ctx, func(other int) (bool, error) { return other == pid, nil })
		}
		return err
	}
	return l.belongs(ctx, func(pid int) (bool, error) { return namespaces.HasSocket(pid, inode) })
}

// accepted waits until a process accepts the connection.
func (l *ownerSearch) accepted(ctx context.Context) (inode uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, acceptTime)
	defer cancel()
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	pauses := backoff.Pauses{First: acceptFirst, Longest: acceptMax}
	for {
		if control := raw.Control(func(fd uintptr) { inode, err = namespaces.Accepted(int(fd)) }); control != nil {
			return 0, control
		}
		if err != nil || inode != 0 {
			return inode, err
		}
		if pauses.Wait(ctx) != nil {
			return 0, errIdle
		}
	}
}

// forListener returns nil when a process of the crew listens on the address, or has accepted the
// connection.
func (l *ownerSearch) forListener(ctx context.Context) error {
	port := portOf(l.conn)
	if port == 0 {
		return l.forOwner(ctx)
	}
	inodes, err := namespaces.Listeners(port)
	if err != nil || len(inodes) == 0 {
		return l.forOwner(ctx)
	}
	if own, _ := namespaces.HasSocket(os.Getpid(), inodes...); own { // all workers inherit it
		return l.forOwner(ctx)
	}
	return l.belongs(ctx, func(pid int) (bool, error) { return namespaces.HasSocket(pid, inodes...) })
}

// portOf returns the port at the other end of a connection, or zero for a unix socket.
func portOf(conn *os.File) (port uint16) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		peer, _ := unix.Getpeername(int(fd))
		switch p := peer.(type) {
		case *unix.SockaddrInet4:
			port = uint16(p.Port)
		case *unix.SockaddrInet6:
			port = uint16(p.Port)
		}
	})
	return port
}

// listenerOf returns the process that called listen(2) on the unix socket at the other end, or
// zero for other sockets (unix(7), SO_PEERCRED).
func listenerOf(conn *os.File) (pid int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if c, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && int(c.Pid) != os.Getpid() {
			pid = int(c.Pid)
		}
	})
	return pid
}

// belongs returns nil when has returns true for a process of the crew. When a process of the crew
// cannot be read, belongs returns nil only if no other process qualifies.
func (l *ownerSearch) belongs(ctx context.Context, has func(pid int) (bool, error)) error {
	if self, err := os.Readlink("/proc/self"); err == nil && self != strconv.Itoa(os.Getpid()) {
		return nil // /proc is of another pid namespace
	}
	members, err := l.question.Members(ctx)
	if err != nil {
		return err
	}
	crew, others := members.trees()
	found, sealed := search(crew, has)
	if found != 0 {
		return nil
	}
	other, unsure := search(others, has)
	switch {
	case other != 0:
		return fmt.Errorf("%w: it is process %d", errOther, other)
	case sealed == 0:
		return errOther
	case unsure != 0:
		return fmt.Errorf("%w, or unknown: the descriptors of process %d cannot be read (notify-ready, or a probe by exec:)", errOther, sealed)
	}
	return nil
}

// search returns a process for which has returns true, and one that cannot be read; zero: none.
func search(list []int, has func(pid int) (bool, error)) (found, sealed int) {
	for _, pid := range list {
		switch yes, err := has(pid); {
		case yes:
			return pid, 0
		case errors.Is(err, os.ErrPermission):
			sealed = pid
		}
	}
	return 0, sealed
}

// trees separates the descendants of this process into the crew's and all others.
func (m Members) trees() (crew, others []int) {
	var born uint64
	for _, pid := range m.Crew {
		crew = append(crew, namespaces.Tree(pid)...)
		if start := namespaces.StartOf(pid); born == 0 || start < born {
			born = start
		}
	}
	for _, pid := range m.Others {
		others = append(others, namespaces.Tree(pid)...)
	}
	for _, pid := range namespaces.Children(os.Getpid()) {
		if slices.Contains(m.Crew, pid) || slices.Contains(m.Others, pid) {
			continue
		}
		leader, _ := unix.Getsid(pid) // the process is an orphan
		start := namespaces.StartOf(pid)
		if slices.Contains(m.Crew, leader) || !slices.Contains(m.Others, leader) && start >= born && born > 0 {
			crew = append(crew, namespaces.Tree(pid)...)
		} else {
			others = append(others, namespaces.Tree(pid)...)
		}
	}
	return crew, others
}
