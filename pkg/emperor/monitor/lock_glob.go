package monitor

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor/reads"
)

// Lock claims the pattern until Unlock or the end of the process, against emperors with
// the same pattern in the same network namespace and root directory: directories come and
// go with a pattern, so it is a name that is bound, and no lock on any of them. It also
// claims the directory, where there is one alone, beside other patterns and against
// emperors that monitor the whole directory. It fails and warns as Lock of a Dir.
func (g *Glob) Lock() error {
	if len(g.parts) == 1 {
		if err := g.lock(g.path(g.base), unix.LOCK_SH); err != nil && !errors.Is(err, reads.ErrSlow) && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	var root unix.Stat_t
	if err := unix.Stat("/", &root); err != nil {
		return fmt.Errorf("cannot lock %q: %w", g.pattern, err)
	}
	name := &unix.SockaddrUnix{Name: fmt.Sprintf("@emperor-%x", sha256.Sum256(fmt.Appendf(nil, "%d %d %s", root.Dev, root.Ino, g.pattern)))}
	pid, uid := 0, -1
	err := await(true, func() (int, error) {
		err := g.claimName(name)
		if !errors.Is(err, unix.EADDRINUSE) {
			return 0, err
		}
		pid, uid = boundBy(name)
		return pid, errHeld
	})
	if errors.Is(err, errHeld) {
		return g.held(g.String(), pid, uid)
	}
	return err
}

// claimName binds a socket that never does anything else.
func (g *Glob) claimName(name *unix.SockaddrUnix) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot lock %q: %w", g.pattern, err)
	}
	f := os.NewFile(uintptr(fd), name.Name)
	if err = unix.Bind(fd, name); err == nil {
		err = unix.Listen(fd, 128) // from now on it tells whose it is
	}
	if err != nil {
		f.Close()
		return err
	}
	g.claims.add(f)
	return nil
}

// boundBy is the process that has bound a name and its user (unix(7), SO_PEERCRED). The
// process is zero when it cannot be seen from here.
func boundBy(name *unix.SockaddrUnix) (pid, uid int) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, -1
	}
	defer unix.Close(fd)
	if unix.Connect(fd, name) != nil {
		return 0, -1
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, -1
	}
	return int(peer.Pid), int(peer.Uid)
}
