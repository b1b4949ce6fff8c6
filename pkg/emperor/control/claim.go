package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketName is the control socket in the runtime directory.
const SocketName = "control.sock"

// lockName is the file beside it that the emperor holds locked, and has its pid.
const lockName = "lock"

// Claim is a runtime directory that belongs to this emperor alone, with a socket
// that listens and a directory for the sockets of vassals. Who holds the lock owns
// the names in it: what is there from an emperor that died is removed.
type Claim struct {
	// Dir is the directory.
	Dir string

	uid, gid int
	mu       sync.Mutex // of what follows
	lock     *os.File
	socket   *Listener
	notify   Identity // of NotifyDir
	made     bool     // the directory, by an emperor
	closed   bool
}

// NotifyDir is the directory of the sockets on which vassals say how they are.
func (c *Claim) NotifyDir() string { return filepath.Join(c.Dir, "notify") }

// LedgerDir is the directory in which the emperor writes down what its vassals have
// outside, for the one that follows should it be killed.
func (c *Claim) LedgerDir() string { return filepath.Join(c.Dir, "ledger") }

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

func take(dir string, uid, gid int) (*Claim, error) {
	c := &Claim{Dir: dir, uid: uid, gid: gid}
	if err := c.establish(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// establish makes what is not there, or is not this emperor's: the directory, the
// lock, the socket and the directories for vassals and of the ledger.
func (c *Claim) establish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if err := c.makeDir(); err != nil {
		return err
	}
	if err := safe(c.Dir, c.uid); err != nil {
		return fmt.Errorf("runtime-dir %q: %w", c.Dir, err)
	}
	if !c.locked() {
		lock, err := c.hold()
		if err != nil {
			return err
		}
		c.lock.Close() // of nil: nothing
		c.lock, c.notify = lock, Identity{}
	}
	if err := c.listen(); err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	return errors.Join(c.admitVassals(), c.keepLedger())
}

// makeDir makes the directory, if need be, and marks it as made by an emperor.
func (c *Claim) makeDir() error {
	switch err := os.Mkdir(c.Dir, 0o755); {
	case err == nil:
		c.made = true
		if err := os.Chown(c.Dir, c.uid, c.gid); err != nil {
			return fmt.Errorf("cannot give runtime-dir away: %w", err)
		}
	case !errors.Is(err, os.ErrExist):
		return fmt.Errorf("cannot make runtime-dir: %w", err)
	}
	_, err := os.Lstat(filepath.Join(c.Dir, marker))
	if c.made = c.made || err == nil; c.made && err != nil {
		return c.mark()
	}
	return nil
}

// locked reports whether the lock that this emperor holds is the directory's.
func (c *Claim) locked() bool {
	if c.lock == nil {
		return false
	}
	ours, err := c.lock.Stat()
	named, gone := os.Lstat(c.lock.Name())
	return err == nil && gone == nil && os.SameFile(ours, named)
}

// listen makes the socket, or binds it again when its name is another's.
func (c *Claim) listen() (err error) {
	switch {
	case c.socket == nil:
		c.socket, err = newListener(c.path(), c.bind)
	case !c.socket.whole():
		err = c.socket.renew()
	}
	return err
}

// admitVassals makes the directory of their sockets, through which everybody can go
// and nobody look. What is in it is from an emperor that died: this one has the lock.
func (c *Claim) admitVassals() error {
	dir := c.NotifyDir()
	if c.notify.At(dir) {
		return nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o711)); err != nil {
		return err
	}
	if err := errors.Join(os.Chmod(dir, 0o711), os.Chown(dir, c.uid, c.gid)); err != nil {
		return err
	}
	c.notify = IdentityOf(dir)
	return nil
}

// keepLedger makes the directory of the ledger, which nobody else can look into. One
// that another user has written is not believed: what it says to kill is killed.
func (c *Claim) keepLedger() error {
	dir := c.LedgerDir()
	var s unix.Stat_t
	err := unix.Lstat(dir, &s)
	if err == nil && s.Mode&unix.S_IFMT == unix.S_IFDIR && s.Uid == uint32(c.uid) && s.Mode&0o077 == 0 {
		return nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	return os.Chown(dir, c.uid, c.gid)
}

// Keep makes it all again whenever something of it is removed, until ctx ends.
// Looked is called after each look: sockets of vassals may be gone as well.
func (c *Claim) Keep(ctx context.Context, log *slog.Logger, looked func()) {
	Kept{
		What: "something in the runtime directory", Path: c.path(), Quiet: c.Dir, Whole: c.whole, Restore: c.establish, Looked: looked, Log: log,
	}.Keep(ctx)
}

// whole reports whether all of it is there and this emperor's.
func (c *Claim) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed || c.locked() && c.socket.whole() && c.notify.At(c.NotifyDir())
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

// lock opens and locks the file of the lock, which no other user can open: a process that
// could would be able to lock it.
func lock(path, dir string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock runtime-dir: %w (runtime-dir = DIR names another)", err)
	}
	_ = f.Chmod(0o600) // of an earlier version
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

// bind binds the socket. It gets its mode before its name, so that nobody can
// connect to it in between.
func (c *Claim) bind() (net.Listener, error) {
	fresh := filepath.Join(c.Dir, "."+SocketName)
	_ = os.Remove(fresh)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	for _, err := range []error{os.Chmod(fresh, 0o600), os.Chown(fresh, c.uid, c.gid), os.Rename(fresh, c.path())} {
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Close removes what is still this emperor's, and lets go of the directory. One
// that an emperor made, and that is empty, is removed.
func (c *Claim) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.socket != nil {
		_ = c.socket.Close()
	}
	if !c.locked() { // it has not been taken, or was removed and is another's by now
		c.lock.Close() // of nil: nothing
		return
	}
	if c.notify.At(c.NotifyDir()) {
		_ = os.Remove(c.NotifyDir())
	}
	_ = os.Remove(c.LedgerDir()) // unless something could not be removed
	made := os.Remove(filepath.Join(c.Dir, marker)) == nil
	_ = os.Remove(c.lock.Name()) // while it is held: see hold
	c.lock.Close()
	if made && os.Remove(c.Dir) != nil {
		_ = c.mark() // there is something else in it: the next emperor
	}
}
