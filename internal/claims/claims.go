// Package claims decides which emperor runs a file.
//
// An emperor claims a directory, or the single files that a pattern has found, by locks on
// bytes of one file that only its user can open (fcntl(2), F_SETLK). Other users can
// therefore neither take a claim nor withhold one. Every emperor of that user sees the claims
// of the others, in any pid namespace and with any runtime directory, and the kernel removes
// them with the process. Nothing is written, and one descriptor is enough.
package claims

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Dir identifies a directory, independent of its path.
type Dir struct{ Device, Inode uint64 }

// DirOf identifies an open directory. It does not access a file system that hangs (statx(2)).
func DirOf(f *os.File) (Dir, error) {
	var s unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &s)
	return Dir{unix.Mkdev(s.Dev_major, s.Dev_minor), s.Ino}, err
}

// HeldError is returned when another emperor of the same user has a claim.
type HeldError struct {
	// PID is its process. Zero: it is in another pid namespace.
	PID int
}

// Error prints who has the claim, and the remedy.
func (h HeldError) Error() string {
	return "another emperor does" + h.where() + ": stop it, or give this one other vassals"
}

// Runs returns the same error about a file.
func (h HeldError) Runs() error { return fmt.Errorf("another emperor runs it%s", h.where()) }

func (h HeldError) where() string {
	if h.PID == 0 {
		return " (in another pid namespace)"
	}
	return fmt.Sprintf(" (pid %d)", h.PID)
}

// Bound calls a function that may hang in the file system of a path. It returns its error, or
// another error when it takes too long; the function continues then. Nil: the caller is bounded
// itself.
type Bound func(path string, call func() error) error

// Registry has the claims of this process. The kernel drops all of them when the process
// closes any descriptor of the file: a process has one Registry for a file. A nil Registry
// claims nothing and refuses nothing. Its methods may be called from many goroutines at the
// same time.
type Registry struct {
	uid    int
	log    *slog.Logger
	flock  func(dir *os.File, how int) error // flock(2)
	mu     sync.Mutex                        // protects the following fields
	file   *os.File                          // nil: there is no place for one
	path   string
	held   map[span]int      // number of holders
	signs  map[span]*os.File // directories that are locked
	missed bool              // the file has not all claims: it was removed, and another emperor was faster
	// inherited are claims of an earlier emperor, until Settle. held counts them as well.
	inherited []span
}

// span is a claim: a byte of the file. Each directory has one. An emperor of the whole
// directory has it alone; emperors of single files in it share it, and have the byte of each
// file alone.
type span struct {
	at     int64
	shared bool
}

// spanOf hashes an identity. 2⁶² bytes are enough that no two identities share one.
func spanOf(parts ...any) span {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return span{at: int64(binary.LittleEndian.Uint64(sum[:]) >> 2)}
}

func whole(d Dir) span  { return spanOf("directory ", d.Device, " ", d.Inode) }
func beside(d Dir) span { return span{at: whole(d).at, shared: true} }
func entry(d Dir, name string) span {
	return spanOf("entry ", d.Device, " ", d.Inode, " ", name)
}

// Open returns a Registry in the first of the files that is safe to use (see Places). When
// none is, it logs the reason: only the signs on directories keep emperors apart then. The
// claims belong to emperors that run as uid, which this process may be about to become.
func Open(files []string, uid int, log *slog.Logger) *Registry {
	r := &Registry{uid: uid, log: log, flock: flock, held: map[span]int{}, signs: map[span]*os.File{}}
	var errs []error
	for _, path := range files {
		f, err := open(path, uid)
		if err == nil {
			r.file, r.path = f, path
			return r
		}
		errs = append(errs, err)
	}
	log.Warn("other emperors of this user may not be noticed", "error", errors.Join(errs...))
	return r
}

// Path returns the path of the file; without a file an empty string.
func (r *Registry) Path() string { return r.path }

// Close gives up all claims.
func (r *Registry) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		leave(r.file)
	}
	for _, s := range r.signs {
		s.Close()
	}
	r.file, r.inherited = nil, nil
	clear(r.signs)
	clear(r.held)
}

// claim claims a span of a directory, which it takes over, and signs the directory.
func (r *Registry) claim(s span, dir *os.File, how int, bound Bound) error {
	err := Patiently(func() error { return r.take(s) })
	if err != nil || r == nil || r.signed(s) {
		return errors.Join(err, dir.Close())
	}
	signed, err := r.sign(dir, how, bound)
	if err != nil {
		r.give(s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !signed || r.signs[s] != nil || r.held[s] == 0 {
		return errors.Join(err, dir.Close())
	}
	r.signs[s] = dir
	return nil
}

func (r *Registry) signed(s span) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signs[s] != nil
}

// take claims a span once more. It fails with a HeldError.
func (r *Registry) take(s span) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[s]++
	if r.held[s] > 1 {
		return nil
	}
	err := r.lock(s.at)
	if err != nil {
		delete(r.held, s)
	}
	return err
}

// lock locks a byte of the file as its holders in this process need it. Only another process's
// lock is an error.
func (r *Registry) lock(at int64) error {
	if r.file == nil {
		return nil
	}
	want := unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart, Start: at, Len: 1}
	switch {
	case r.held[span{at: at}] > 0:
		want.Type = unix.F_WRLCK
	case r.held[span{at: at, shared: true}] > 0:
		want.Type = unix.F_RDLCK
	}
	err := unix.FcntlFlock(r.file.Fd(), unix.F_SETLK, &want)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		there := want
		if unix.FcntlFlock(r.file.Fd(), unix.F_GETLK, &there) == nil && there.Type == unix.F_UNLCK {
			err = unix.FcntlFlock(r.file.Fd(), unix.F_SETLK, &want) // its holder has just ended
		}
		if err != nil {
			return HeldError{max(0, int(there.Pid))}
		}
	}
	if err != nil { // the kernel has no room for one more lock
		r.log.Warn("other emperors of this user may not be noticed", "error", fmt.Errorf("cannot lock %q: %w", r.path, err))
	}
	return nil
}

// give gives up a span once for each take. What other holders have of its byte stays locked
// all the time.
func (r *Registry) give(s span) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[s]--; r.held[s] > 0 {
		return
	}
	delete(r.held, s)
	r.signs[s].Close() // of nil: no effect
	delete(r.signs, s)
	_ = r.lock(s.at) // less than before: no other process can prevent it
}

// Whole reports whether the file is at its path, with all claims in it. Otherwise an emperor
// that starts does not see them: the file was removed, and may have been made again by another
// emperor.
func (r *Registry) Whole() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file == nil || !r.missed && named(r.file, r.path)
}

// Restore makes the file again and claims all again. It fails with the first claim that
// another emperor has by now.
func (r *Registry) Restore() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	if !named(r.file, r.path) {
		f, err := open(r.path, r.uid)
		if err != nil {
			return err
		}
		r.file.Close()
		r.file = f
	}
	var first error
	for s := range r.held {
		if err := r.lock(s.at); err != nil && first == nil {
			first = err
		}
	}
	r.missed = first != nil
	if held, ok := errors.AsType[HeldError](first); ok {
		return fmt.Errorf("a file of this emperor: %w", held.Runs())
	}
	return first
}
