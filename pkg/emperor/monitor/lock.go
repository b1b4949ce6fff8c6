package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/reads"
)

// Lock claims the directory until the registry of claims is closed. It fails, naming the
// holder, when another emperor of this user governs the directory, or files in it: two would
// start everything twice. Locks of other users have no effect. A directory that does not
// answer is claimed when it does, and so is another one that appears at the same path.
func (d *Dir) Lock() error {
	dir, err := d.enter(d.path)
	if errors.Is(err, reads.ErrSlow) {
		d.options.Log.Warn("cannot lock the directory yet", "directory", d.path, "error", err)
		return nil
	}
	if err == nil {
		err = d.claims.Directory(dir, d.bound)
	}
	return refused(d.path, err)
}

// claim claims the directory that a rescan has found. It runs inside the read of the rescan.
func (d *Dir) claim(found claims.Dir) error {
	if d.claims.Has(found) {
		return nil
	}
	dir, err := os.OpenFile(d.path, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		return err
	}
	return d.claims.Directory(dir, nil)
}

// Lock claims the pattern until the registry of claims is closed: against emperors with the
// same pattern, in any spelling of its directory, and, when its files are in that directory,
// against emperors of the whole directory. A single file is claimed as such. It fails as Lock
// of a Dir. Other patterns may find the same files: each file is claimed when it is found.
func (g *Glob) Lock() error {
	dir, err := g.enter(g.path(g.pattern.base))
	switch {
	case errors.Is(err, reads.ErrSlow), errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		var root unix.Stat_t
		if err = unix.Stat("/", &root); err == nil {
			err = g.claims.Pattern("path ", root.Dev, " ", root.Ino, " ", g.pattern.path)
		}
	case err == nil:
		err = g.lockIn(dir)
	}
	return refused(g.String(), err)
}

// lockIn claims the pattern in the directory where it begins, which it takes over.
func (g *Glob) lockIn(dir *os.File) error {
	d, err := claims.DirOf(dir)
	if err == nil {
		err = g.claims.Pattern("pattern ", d.Device, " ", d.Inode, " ", strings.Join(g.pattern.parts, "/"))
	}
	if err != nil || len(g.pattern.parts) > 1 {
		return errors.Join(err, dir.Close())
	}
	if err = g.claims.Beside(dir, g.bound); err == nil && !strings.ContainsAny(g.pattern.parts[0], special) {
		err = claims.Patiently(func() error { return g.claims.Entry(d, g.pattern.parts[0]) })
	}
	return err
}

// enter opens a directory within the time limit. One that cannot be listed may contain files
// all the same.
func (f *files) enter(path string) (*os.File, error) {
	return reads.Open(context.Background(), f.options.Reads, path, func() (*os.File, error) {
		dir, err := os.OpenFile(path, os.O_RDONLY|oDirectory, 0)
		if errors.Is(err, unix.EACCES) {
			dir, err = os.OpenFile(path, unix.O_PATH|oDirectory, 0)
		}
		return dir, err
	})
}

// bound is a claims.Bound. It must not be used inside another read.
func (f *files) bound(path string, call func() error) error {
	return f.options.Reads.Do(context.Background(), path, func(reads.At) error { return call() })
}

// refused returns the error of a failed claim.
func refused(what string, err error) error {
	if held, ok := errors.AsType[claims.HeldError](err); ok {
		return fmt.Errorf("cannot govern %q: %w", what, held)
	}
	if err != nil {
		return fmt.Errorf("cannot lock %q: %w", what, cause.Of(err))
	}
	return nil
}

// claimEntry claims the file of c, in a monitor that has no claim on the whole directory. It
// fails with a claims.HeldError.
func (f *files) claimEntry(c Config) error {
	if !f.single {
		return nil
	}
	return f.claims.Entry(c.Entry.Dir, c.Entry.Name)
}
