package claims

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Holder has the claims of one monitor. Make it with NewHolder. Its methods except Drop fail
// with a HeldError.
type Holder struct {
	registry *Registry
	mu       sync.Mutex // protects the following fields
	dir      Dir        // claimed as a whole; zero: none
	entries  map[place]bool
}

// place is a name in a directory.
type place struct {
	dir  Dir
	name string
}

// NewHolder returns a Holder without claims. Its claims end with the Registry.
func (r *Registry) NewHolder() *Holder {
	return &Holder{registry: r, entries: map[place]bool{}}
}

// Directory claims all files in an open directory, in place of the previous directory, since a
// path may get another destination. It takes dir over, and waits for a dying emperor.
func (h *Holder) Directory(dir *os.File, bound Bound) error {
	d, err := DirOf(dir)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	if err := h.registry.claim(whole(d), dir, unix.LOCK_EX, bound); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir != (Dir{}) {
		h.registry.give(whole(h.dir))
	}
	h.dir = d
	return nil
}

// Has reports whether d is the last directory of Directory.
func (h *Holder) Has(d Dir) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dir == d
}

// Beside excludes emperors of the whole directory, but not of other files in it. It takes dir
// over, and waits for a dying emperor.
func (h *Holder) Beside(dir *os.File, bound Bound) error {
	d, err := DirOf(dir)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	return h.registry.claim(beside(d), dir, unix.LOCK_SH, bound)
}

// Pattern claims a pattern by words that identify it. It waits for a dying emperor.
func (h *Holder) Pattern(words ...any) error {
	return Patiently(func() error { return h.registry.take(spanOf(words...)) })
}

// Entry claims one name in a directory. Files that are equal by their content or by a link are
// as many as their names.
func (h *Holder) Entry(d Dir, name string) error {
	at := place{d, name}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entries[at] {
		return nil
	}
	err := h.registry.take(beside(d))
	if err != nil {
		return err
	}
	if err = h.registry.take(entry(d, name)); err != nil {
		h.registry.give(beside(d))
		return err
	}
	h.entries[at] = true
	return nil
}

// Drop gives up a name. Without a claim it does nothing.
func (h *Holder) Drop(d Dir, name string) {
	at := place{d, name}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entries[at] {
		delete(h.entries, at)
		h.registry.give(entry(d, name))
		h.registry.give(beside(d))
	}
}

const (
	// burial is how long the claims of a killed emperor are waited for: they end with the last
	// of its threads.
	burial = 5 * time.Second
	// glimpse is how long to wait for an emperor that may have been killed, and cannot be
	// inspected.
	glimpse = time.Second
)

// Patiently repeats a claim until no dying emperor holds it.
func Patiently(claim func() error) error {
	for began := time.Now(); ; <-time.After(10 * time.Millisecond) {
		err := claim()
		held, ok := errors.AsType[HeldError](err)
		if !ok {
			return err
		}
		wait := burial
		switch {
		case held.PID == 0:
			wait = glimpse
		case !dead(held.PID):
			return err
		}
		if time.Since(began) > wait {
			return err
		}
	}
}
