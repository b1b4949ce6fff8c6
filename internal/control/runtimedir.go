package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/endpoint"
)

// SocketName is the control socket in the runtime directory.
const SocketName = "control.sock"

// lockName is the file beside it that the emperor holds locked, with its pid.
const lockName = "lock"

// RuntimeDir is a runtime directory that belongs to this emperor alone, with a listening socket and
// a directory for the sockets of vassals. The holder of the lock owns the names in it, and
// removes the files of a dead emperor.
type RuntimeDir struct {
	// Dir is the directory.
	Dir string

	uid, gid int
	mu       sync.Mutex  // protects the following fields
	mode     fs.FileMode // of the socket
	group    int
	lock     *os.File
	socket   *Listener
	notify   Identity // of NotifyDir
	made     bool     // an emperor has created the directory
	closed   bool
}

// NotifyDir is the directory of the vassals' notification sockets.
func (c *RuntimeDir) NotifyDir() string { return filepath.Join(c.Dir, "notify") }

// LedgerDir is the directory in which the emperor records resources of its vassals, for the
// next emperor after a kill.
func (c *RuntimeDir) LedgerDir() string { return filepath.Join(c.Dir, "ledger") }

// HeldError is returned when another emperor has the runtime directory.
type HeldError struct{ Dir, PID string }

func (h HeldError) Error() string {
	return fmt.Sprintf("the emperor with pid %s has the runtime directory %q (stop it, or give this one --runtime-dir DIR of its own, and use "+
		"it for commands too)", h.PID, h.Dir)
}

// ClaimRuntimeDir creates the directory if it does not exist, and claims it for uid and gid, which the
// emperor becomes.
func ClaimRuntimeDir(dir string, uid, gid int) (c *RuntimeDir, err error) {
	return InheritRuntimeDir(dir, uid, gid, HeldDir{})
}

// HeldDir has the descriptors of a claimed runtime directory: its lock and its control socket. The
// zero value: it is not claimed.
type HeldDir struct{ Lock, Socket *os.File }

// InheritRuntimeDir is ClaimRuntimeDir for a directory that an earlier emperor has claimed. It owns
// the descriptors from then on. The sockets of vassals and the ledger stay.
func InheritRuntimeDir(dir string, uid, gid int, held HeldDir) (c *RuntimeDir, err error) {
	for range attempts {
		if c, err = claimOnce(dir, uid, gid, held); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return c, err
}

// attempts is how often the directory may disappear while it is claimed, because another
// emperor ends.
const attempts = 5

func claimOnce(dir string, uid, gid int, held HeldDir) (*RuntimeDir, error) {
	c := &RuntimeDir{Dir: dir, uid: uid, gid: gid, mode: 0o600, group: gid}
	if err := c.inherit(held); err != nil {
		return nil, err
	}
	if err := c.establish(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// inherit takes over the descriptors that an earlier emperor has held.
func (c *RuntimeDir) inherit(held HeldDir) (err error) {
	if held.Lock == nil || held.Socket == nil {
		return nil
	}
	fd, err := unix.FcntlInt(held.Lock.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("cannot inherit runtime-dir: %w", err)
	}
	c.lock, c.notify = os.NewFile(uintptr(fd), filepath.Join(c.Dir, lockName)), IdentityOf(c.NotifyDir())
	if c.socket, err = newListener(c.path(), held.Socket, c.bind); err != nil {
		c.lock.Close()
		return err
	}
	sign(c.lock)
	held.Lock.Close()
	return nil
}

// HandOver releases the directory to a later emperor: it leaves all files and returns the
// descriptors, which hold the lock.
func (c *RuntimeDir) HandOver() (held HeldDir, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return held, net.ErrClosed
	}
	if held.Socket, err = c.socket.HandOver(); err != nil {
		return held, err
	}
	held.Lock, c.lock, c.closed = c.lock, nil, true
	return held, nil
}

// has reports whether clients find the socket with these rights.
func (c *RuntimeDir) has(mode fs.FileMode, group int) bool {
	var s unix.Stat_t
	err := unix.Lstat(c.path(), &s)
	return err == nil && c.socket.whole() && fs.FileMode(s.Mode&0o777) == mode && int(s.Gid) == group
}

// establish creates the missing parts, and replaces parts of other emperors: the directory,
// the lock, the socket and the directories for vassals and for the ledger.
func (c *RuntimeDir) establish() error {
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
		c.lock.Close() // of nil: no effect
		c.lock, c.notify = lock, Identity{}
	}
	if err := c.listen(); err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	return errors.Join(c.admitVassals(), c.keepLedger())
}

// makeDir creates the directory, if it does not exist, and marks it as an emperor's.
func (c *RuntimeDir) makeDir() error {
	switch err := os.Mkdir(c.Dir, 0o755); {
	case err == nil:
		c.made = true
		if err := os.Chown(c.Dir, c.uid, c.gid); err != nil {
			return fmt.Errorf("cannot change the owner of runtime-dir: %w", err)
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
func (c *RuntimeDir) locked() bool {
	if c.lock == nil {
		return false
	}
	ours, err := c.lock.Stat()
	named, gone := os.Lstat(c.lock.Name())
	return err == nil && gone == nil && os.SameFile(ours, named)
}

// listen makes the socket, or binds it again when another file has its name.
func (c *RuntimeDir) listen() (err error) {
	switch {
	case c.socket == nil:
		c.socket, err = newListener(c.path(), nil, c.bind)
	case !c.socket.whole():
		err = c.socket.renew()
	}
	return err
}

// admitVassals makes the directory of their sockets, which all users can enter and none can
// list. Its content belongs to a dead emperor, because this one has the lock.
func (c *RuntimeDir) admitVassals() error {
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

// keepLedger makes the directory of the ledger, which no other user can read. It refuses one
// that another user has written, because the recorded processes are killed.
func (c *RuntimeDir) keepLedger() error {
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

// Keep recreates removed parts until ctx ends. looked is called after each check: sockets of
// vassals may be missing as well.
func (c *RuntimeDir) Keep(ctx context.Context, log *slog.Logger, looked func()) {
	Kept{
		What: "something in the runtime directory", Path: c.path(), Quiet: c.Dir, Whole: c.whole, Restore: c.establish, Looked: looked, Log: log,
	}.Keep(ctx)
}

// whole reports whether all parts exist and belong to this emperor.
func (c *RuntimeDir) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed || c.locked() && c.socket.whole() && c.notify.At(c.NotifyDir())
}

// safe refuses a directory in which other users could add or remove files.
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

// hold takes the lock, or returns its holder. The file that it locks still has its name: the
// previous holder may have removed the name.
func (c *RuntimeDir) hold() (*os.File, error) {
	for {
		f, err := lock(filepath.Join(c.Dir, lockName), c.Dir)
		if err != nil {
			return nil, err
		}
		locked, err := f.Stat()
		named, gone := os.Lstat(f.Name())
		if err == nil && gone == nil && os.SameFile(locked, named) {
			sign(f)
			return f, nil
		}
		f.Close()
	}
}

// sign names this process as the holder of the lock, for messages.
func sign(lock *os.File) {
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
}

// lock opens and locks the lock file, which no other user can open: a process that can open it
// can lock it.
func lock(path, dir string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock runtime-dir: %w (runtime-dir = DIR names another)", err)
	}
	_ = f.Chmod(0o600) // of an earlier version
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = lockAfterCleaning(f)
	}
	if err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock runtime-dir: %w", err)
		}
		return nil, HeldError{dir, holder(f)}
	}
	return f, nil
}

// holder returns the pid that the last holder of the lock wrote into it.
func holder(f *os.File) string {
	text := make([]byte, 64)
	n, _ := f.ReadAt(text, 0)
	return cmp.Or(strings.TrimSpace(string(text[:n])), "unknown")
}

// marker is an empty file in a directory that an emperor created. The last emperor in the
// directory removes both, which may be another emperor than its creator.
const marker = ".made"

func (c *RuntimeDir) mark() error { return os.WriteFile(filepath.Join(c.Dir, marker), nil, 0o644) }

func (c *RuntimeDir) path() string { return filepath.Join(c.Dir, SocketName) }

// bind binds the socket. No process can connect before it has its mode and owner.
func (c *RuntimeDir) bind() (net.Listener, error) {
	return endpoint.ListenOver(c.path(), c.mode, c.uid, c.group)
}

// Permit lets further users connect to the socket, which is bound again. Its Gate decides about
// their rights.
func (c *RuntimeDir) Permit(mode fs.FileMode, group int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode, c.group = mode, group
	if c.has(mode, group) { // it is inherited
		return nil
	}
	if err := c.socket.renew(); err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	return nil
}

// Reopen binds the control socket again after Server.Run has failed.
func (c *RuntimeDir) Reopen() error { return c.socket.Reopen() }

// Close removes this emperor's files, and releases the directory (vacate).
func (c *RuntimeDir) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.socket != nil {
		_ = c.socket.Close()
	}
	if !c.locked() { // it was not taken, or was removed and belongs to another emperor by now
		c.lock.Close() // of nil: no effect
		return
	}
	if c.notify.At(c.NotifyDir()) {
		_ = os.Remove(c.NotifyDir())
	}
	_ = os.Remove(c.LedgerDir()) // unless it is not empty
	c.vacate()
}

// vacate gives the lock up, and removes an empty directory that an emperor created.
func (c *RuntimeDir) vacate() {
	made := os.Remove(filepath.Join(c.Dir, marker)) == nil
	_ = os.Remove(c.lock.Name()) // while it is held: see hold
	c.lock.Close()
	if made && os.Remove(c.Dir) != nil {
		_ = c.mark() // it is not empty: the mark is for the next emperor
	}
}
