package ondemand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/reads"
)

// bind binds the address of a and listens there, or leaves nothing. When owner is a tenant, it
// does no more than that user could.
func (s Sockets) bind(ctx context.Context, a *activation, owner uint32) (*activation, error) {
	do := func(bind func() error) (*activation, error) {
		if err := bind(); err != nil {
			return nil, errors.Join(err, a.close())
		}
		return a, nil
	}
	switch {
	case address.InFiles(a.address):
		return reads.Open(ctx, s.Reads, filepath.Dir(a.address), func() (*activation, error) {
			return do(func() error { return s.bindPath(a, owner) })
		})
	case address.IsUnix(a.address):
		return do(func() error { return a.listen(a.address, nil) })
	}
	return do(func() error { return a.bindPort(owner) })
}

// bindPort listens on a port. An unspecified address accepts clients of its own family; an empty
// host accepts both, if the kernel has both.
func (a *activation) bindPort(owner uint32) error {
	to, err := address.Parse(a.address)
	if err != nil {
		return err
	}
	if n := int(to.Port); n != 0 && n < firstFreePort() && isTenant(owner) {
		return fmt.Errorf("only root binds ports below %d, and uid %d named it (root must own the file)", firstFreePort(), owner)
	}
	own, both := true, false
	if to.Host != "" && to.Host != "*" {
		return a.listen(to.String(), &own)
	}
	to.Host = "::"
	err = a.listen(to.String(), &both)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
		to.Host = ""
		return a.listen(to.String(), nil)
	}
	return err
}

// firstFreePort returns the lowest port that every user may bind (ip(7)).
func firstFreePort() int {
	const usual = 1024
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return usual
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return usual
	}
	return n
}

// bindPath makes a socket in the file system, and sets its owner and mode.
func (s Sockets) bindPath(a *activation, owner uint32) error {
	at, err := spotOf(a.address)
	if err != nil {
		return err
	}
	defer at.dir.Close()
	path := a.address
	if isTenant(owner) {
		if err := at.open(owner, a.home); err != nil {
			return err
		}
		path = at.path()
	}
	if err := address.RemoveDeadAt(int(at.dir.Fd()), at.name, at.path(), unix.SOCK_STREAM); err != nil {
		return err
	}
	if err := a.listen(path, nil); err != nil {
		return err
	}
	a.inode, err = at.own(s)
	return err
}

// queue is the length of the accept queue. The kernel lowers it to net.core.somaxconn.
const queue = 65535

// listen makes a.file a listening socket. v6only is IPV6_V6ONLY of an IPv6 socket.
func (a *activation) listen(at string, v6only *bool) (err error) {
	a.file, err = address.Listen(at, address.Options{Backlog: queue, UID: -1, GID: -1, V6Only: v6only})
	return err
}

// spot is a name in an open directory, which stays the same when the directory's path changes.
type spot struct {
	dir  *os.File
	name string
}

// spotOf opens the directory of a path; the caller closes it.
func spotOf(path string) (spot, error) {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return spot{}, fmt.Errorf("cannot open its directory: %w", cause.Of(err))
	}
	return spot{dir, filepath.Base(path)}, nil
}

// path returns a path to the name in that very directory (proc_pid_fd(5)).
func (s spot) path() string { return fmt.Sprintf("/proc/self/fd/%d/%s", s.dir.Fd(), s.name) }

// open refuses a directory in which a user could not make a socket. home: also one that belongs to another
// user.
func (s spot) open(uid uint32, home bool) error {
	const all = 0o003
	var st unix.Stat_t
	switch err := unix.Fstat(int(s.dir.Fd()), &st); {
	case err != nil:
		return err
	case st.Uid != uid && (home || st.Mode&all != all):
		return fmt.Errorf("its directory belongs to uid %d, and uid %d named it (root must own the file)", st.Uid, uid)
	}
	return nil
}

// socket opens the current socket of that name, to check and change it.
func (s spot) socket() (f *os.File, inode uint64, err error) {
	var st unix.Stat_t
	fd, err := unix.Openat(int(s.dir.Fd()), s.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	f = os.NewFile(uintptr(fd), s.name)
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		f.Close()
		return nil, 0, errors.Join(err, errors.New("is not a socket"))
	}
	return f, st.Ino, nil
}

// own sets the mode and owner of the socket, and returns its inode. A link that has replaced
// it leads to no other file.
func (s spot) own(to Sockets) (inode uint64, err error) {
	f, inode, err := s.socket()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := unix.Fchownat(int(f.Fd()), "", to.UID, to.GID, unix.AT_EMPTY_PATH); err != nil {
		return inode, err
	}
	return inode, os.Chmod(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), to.Mode)
}

// remove removes the socket if it still has that inode.
func (s spot) remove(inode uint64) error {
	f, found, err := s.socket()
	if err != nil {
		return nil // it is gone, or belongs to another process
	}
	defer f.Close()
	if found != inode {
		return nil
	}
	return unix.Unlinkat(int(s.dir.Fd()), s.name, 0)
}
