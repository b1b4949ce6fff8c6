// Package revision reports whether the content of a file has changed, without reading the file.
package revision

import (
	"time"

	"golang.org/x/sys/unix"
)

// Revision identifies a file and its content: a change of the content changes a time or the size.
// The zero value is the revision of no file.
//
// A program can set the modification time, but not the change time (inode(7)), so a Revision also
// differs after an edit with a restored modification time.
type Revision struct {
	Dev, Ino          uint64
	Size              int64
	Modified, Changed unix.Timespec
}

// Of returns the revision of an examined file.
func Of(s *unix.Stat_t) Revision {
	return Revision{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim} //nolint:unconvert // 32 bits on some machines
}

// At examines the file to which a path leads. It returns the zero value when there is none, or when
// it cannot be examined. settled is the result of Settled.
func At(path string) (r Revision, settled bool) {
	seen := time.Now()
	var s unix.Stat_t
	if unix.Stat(path, &s) != nil {
		return r, true
	}
	r = Of(&s)
	return r, r.Settled(seen)
}

// ContentAt is At without the change time: a change of the owner or of the permissions is no change.
func ContentAt(path string) (r Revision, settled bool) {
	r, settled = At(path)
	r.Changed = unix.Timespec{}
	return r, settled
}

const (
	// tick is the longest time in which all changes of a file may get one time. File systems without fine
	// timestamps take the time of the last tick of the kernel's clock, every 1 to 10 ms.
	tick = 10 * time.Millisecond
	// coarse is that time on file systems that store whole seconds, or every second one.
	coarse = 2 * time.Second
)

// Settled reports whether all later changes of the content will change the revision. Otherwise the
// file has changed so recently that the next change may get the same times, and with the same size
// the same revision. seen is the time just before the file was examined: a later time, such as the
// time after the file was read, hides a change in between.
func (r Revision) Settled(seen time.Time) bool {
	limit := tick
	if r.Changed.Nsec == 0 {
		limit = coarse
	}
	return seen.Sub(time.Unix(r.Changed.Unix())).Abs() >= limit // after a step of the clock the time may be in the future
}
