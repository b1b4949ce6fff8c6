package control

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketName is the control socket in the runtime directory.
const SocketName = "control.sock"

// lockName is the file beside it that the emperor holds locked, and has its pid.
const lockName = "lock"

// Claim is a runtime directory that belongs to this emperor alone, with a socket
// that listens. Who holds the lock owns the socket's name: what is there from an
// emperor that died is removed.
type Claim struct {
	// Dir is the directory.
	Dir string

	lock   *os.File
	socket *net.UnixListener
	id     [2]uint64 // of the socket's inode
}

// HeldError says that another emperor has the runtime directory.
type HeldError struct{ Dir, PID string }

func (h HeldError) Error() string {
	return fmt.Sprintf("the emperor with pid %s has the runtime directory %q (give this one --runtime-dir DIR of its own, and use it for commands too)", h.PID, h.Dir)
}

// Take makes the directory if need be and claims it for uid and gid, which the
// emperor becomes.
func Take(dir string, uid, gid int) (c *Claim, err error) {
	for range attempts {
		if c, err = take(dir, uid, gid); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return c, err
}

// attempts is how often the directory may go while it is claimed, because another
// emperor ends.
const attempts = 5

func take(dir string, uid, gid int) (c *Claim, err error) {
	c = &Claim{Dir: dir}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot make runtime-dir: %w", err)
	} else if err == nil {
		if err := errors.Join(c.mark(), os.Chown(dir, uid, gid)); err != nil {
			return nil, fmt.Errorf("cannot give runtime-dir away: %w", err)
		}
	}
	if err := safe(dir, uid); err != nil {
		return nil, fmt.Errorf("runtime-dir %q: %w", dir, err)
	}
	if c.lock, err = c.hold(); err != nil {
		return nil, err
	}
	if err = c.listen(uid, gid); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// safe refuses a directory in which others could put or take files.
func safe(dir string, uid int) error {
	var s unix.Stat_t
	if err := unix.Lstat(dir, &s); err != nil {
		return err
	}
	switch {
	case s.Mode&unix.S_IFMT != unix.S_IFDIR:
		return errors.New("it is no directory")
	case s.Uid != 0 && s.Uid != uint32(os.Geteuid()) && s.Uid != uint32(uid):
		return fmt.Errorf("it belongs to user %d", s.Uid)
	case s.Mode&0o022 != 0:
		return fmt.Errorf("others can write to it (mode %o, chmod go-w)", s.Mode&0o7777)
	}
	return nil
}

// hold takes the lock, or says who has it. The file that it locks has its name
// still: the one before may have removed it.
func (c *Claim) hold() (*os.File, error) {
	for {
		f, err := lock(filepath.Join(c.Dir, lockName), c.Dir)
		if err != nil {
			return nil, err
		}
		locked, err := f.Stat()
		named, gone := os.Lstat(f.Name())
		if err == nil && gone == nil && os.SameFile(locked, named) {
			_ = f.Truncate(0)
			_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			return f, nil
		}
		f.Close()
	}
}

func lock(path, dir string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot lock runtime-dir: %w (runtime-dir = DIR names another)", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock runtime-dir: %w", err)
		}
		return nil, HeldError{dir, holder(f)}
	}
	return f, nil
}

// holder is the pid that the last one to hold the lock wrote into it.
func holder(f *os.File) string {
	text := make([]byte, 64)
	n, _ := f.ReadAt(text, 0)
	return cmp.Or(strings.TrimSpace(string(text[:n])), "unknown")
}

// marker is an empty file in a directory that an emperor made. Whoever is the last one
// in it removes both: that may be another emperor than the one that made it.
const marker = ".made"

func (c *Claim) mark() error { return os.WriteFile(filepath.Join(c.Dir, marker), nil, 0o644) }

func (c *Claim) path() string { return filepath.Join(c.Dir, SocketName) }

// listen binds the socket. It gets its mode before its name, so that nobody can
// connect to it in between.
func (c *Claim) listen(uid, gid int) error {
	fresh := filepath.Join(c.Dir, "."+SocketName)
	_ = os.Remove(fresh)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	c.socket = l
	var s unix.Stat_t
	for _, err := range []error{os.Chmod(fresh, 0o600), os.Chown(fresh, uid, gid), unix.Lstat(fresh, &s), os.Rename(fresh, c.path())} {
		if err != nil {
			return fmt.Errorf("cannot make the control socket: %w", err)
		}
	}
	c.id = [2]uint64{s.Dev, s.Ino}
	return nil
}

// Close removes the socket, if it is still this one, and lets go of the directory.
// One that an emperor made, and that is empty, is removed.
func (c *Claim) Close() {
	if c.socket != nil {
		_ = c.socket.Close()
		var s unix.Stat_t
		if unix.Lstat(c.path(), &s) == nil && [2]uint64{s.Dev, s.Ino} == c.id {
			_ = os.Remove(c.path())
		}
	}
	made := os.Remove(filepath.Join(c.Dir, marker)) == nil
	_ = os.Remove(c.lock.Name()) // while it is held: see hold
	c.lock.Close()
	if made && os.Remove(c.Dir) != nil {
		_ = c.mark() // there is something else in it: the next emperor
	}
}
