// Package claims decides which emperor runs a file.
//
// An emperor claims a directory, or the single files that a pattern has found, by locks on
// ranges of one file that only its user can open (fcntl(2), F_SETLK). Other users can
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

// Registry has the claims of this process. The kernel drops all of them when the process
// closes any descriptor of the file: a process has one Registry for a file. A nil Registry
// claims nothing and refuses nothing. Its methods may be called from many goroutines at the
// same time.
type Registry struct {
	uid   int
	log   *slog.Logger
	mu    sync.Mutex // protects the following fields
	file  *os.File   // nil: there is no place for one
	path  string
	held  map[span]int      // number of holders
	signs map[span]*os.File // directories that are locked
	lost  bool              // the file was removed, and cannot be created again
}

// span is a claim: a range of the file. Each directory has a region: a byte that all emperors
// of single files in it share, and one byte for each name. The whole region is a claim on the
// directory.
type span struct {
	at     int64
	whole  bool
	shared bool
}

const (
	regionBits = 32
	region     = 1 << regionBits
)

func (s span) length() int64 {
	if s.whole {
		return region
	}
	return 1
}

// regionOf hashes an identity to the start of a region.
func regionOf(parts ...any) int64 {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return int64(binary.LittleEndian.Uint32(sum[:])>>1) << regionBits
}

func whole(d Dir) span  { return span{at: regionOf("directory ", d.Device, " ", d.Inode), whole: true} }
func beside(d Dir) span { return span{at: whole(d).at, shared: true} }
func entry(d Dir, name string) span {
	sum := sha256.Sum256([]byte(name))
	return span{at: whole(d).at + 1 + int64(binary.LittleEndian.Uint32(sum[:])%(region-1))}
}

// Open returns a Registry in the first of the files that is safe to use (see Places). When
// none is, it logs the reason: only the signs on directories keep emperors apart then. The
// claims belong to emperors that run as uid, which this process may be about to become.
func Open(files []string, uid int, log *slog.Logger) *Registry {
	r := &Registry{uid: uid, log: log, held: map[span]int{}, signs: map[span]*os.File{}}
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
	r.file = nil
	clear(r.signs)
	clear(r.held)
}

// claim claims a span of a directory, which it takes over, and signs the directory.
func (r *Registry) claim(s span, dir *os.File, how int) error {
	err := Patiently(func() error { return r.take(s) })
	if err != nil || r == nil {
		return errors.Join(err, dir.Close())
	}
	signed, err := r.sign(dir, how)
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

// take claims a span once more. It fails with a HeldError.
func (r *Registry) take(s span) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[s] > 0 {
		r.held[s]++
		return nil
	}
	if r.file != nil {
		if err := r.lock(r.file, s); err != nil {
			return err
		}
	}
	r.held[s]++
	return nil
}

// lock locks the range of a span. Only another process's lock is an error.
func (r *Registry) lock(f *os.File, s span) error {
	if !s.whole && r.held[span{at: s.at &^ (region - 1), whole: true}] > 0 {
		return nil // it is in a region that this process holds as a whole
	}
	how := int16(unix.F_WRLCK)
	if s.shared {
		how = unix.F_RDLCK
	}
	want := unix.Flock_t{Type: how, Whence: io.SeekStart, Start: s.at, Len: s.length()}
	err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &want)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		there := want
		if unix.FcntlFlock(f.Fd(), unix.F_GETLK, &there) == nil && there.Type == unix.F_UNLCK {
			err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &want) // its holder has just ended
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

// give gives up a span once for each take.
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
	if r.file == nil || r.held[span{at: s.at &^ (region - 1), whole: true}] > 0 {
		return
	}
	_ = unix.FcntlFlock(r.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart, Start: s.at, Len: s.length()})
	if s.whole { // the claims of other holders in it
		for inner := range r.held {
			if inner.at&^(region-1) == s.at {
				_ = r.lock(r.file, inner)
			}
		}
	}
}

// Renew creates the file again when it was removed: an emperor that starts now would not see
// the claims in the old one.
func (r *Registry) Renew() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil || named(r.file, r.path) {
		return
	}
	f, err := open(r.path, r.uid)
	if err == nil {
		r.file.Close()
		r.file = f
		for s := range r.held {
			err = errors.Join(err, r.lock(f, s))
		}
	}
	switch {
	case err == nil:
		r.log.Warn("the file of claims was removed: it is made again", "path", r.path)
	case !r.lost:
		r.log.Error("the file of claims was removed: other emperors of this user may not be noticed", "path", r.path, "error", err)
	}
	r.lost = err != nil
}
