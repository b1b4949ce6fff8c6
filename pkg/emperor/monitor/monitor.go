// Package monitor decides which vassals should exist now.
package monitor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/claims"
)

// MaxConfig is the size of the largest configuration, in bytes.
const MaxConfig = 1 << 20

// ErrReading is the Err of a configuration that exists and is still being read.
var ErrReading = errors.New("is still being read")

// Config is one configuration as it was found: read once, and never read again by its path.
type Config struct {
	// Name is the vassal's name: the file name in a directory, or the path as a pattern spells
	// it. It may contain any byte except NUL.
	Name string
	// Path is its absolute path, for messages.
	Path string
	// Dir is the absolute working directory of the vassal, in which Name and the relative
	// names in the configuration start.
	Dir string
	// Entry identifies its directory entry, independent of the path. Zero: not known.
	Entry Entry
	// Printed: Data is the output of the executed file.
	Printed bool
	// Data is the content. It must not be changed.
	Data []byte
	// Version changes whenever the configuration should take effect again.
	Version Version
	// UID and GID own the file that was read.
	UID, GID uint32
	// Owned: the vassal is the one of this owner, by Owners, also where Err refuses it. A file of
	// another owner at its path is another vassal.
	Owned bool
	// Err is the reason why the file of that name cannot be used; Data and Version are then
	// empty. A running vassal continues unchanged.
	Err error
}

// DirID identifies a directory, independent of its path.
type DirID = claims.Dir

// Entry is a name in a directory, which makes a vassal. Several names of one file, by links,
// are several vassals.
type Entry struct {
	Dir  DirID
	Name string
}

// Located returns c with Dir and Path as uWSGI's magic variables %v and %p name them now:
// without symbolic links in directories, while a file that is a link keeps its own name. It
// reads directories, so it may block. Links without a target stay unchanged.
func (c Config) Located() Config {
	dir, err := filepath.EvalSymlinks(c.Dir)
	if err == nil {
		c.Dir = dir
	}
	path := c.Name
	if !filepath.IsAbs(path) {
		path = c.Dir + "/" + path
	}
	info, missing := os.Lstat(path)
	switch {
	case missing != nil:
	case info.Mode()&os.ModeSymlink != 0:
		c.Path = path
	case err == nil && !strings.Contains(c.Name, "/"): // there is no link on the way any more
		c.Path = filepath.Join(c.Dir, c.Name)
	default:
		if real, err := filepath.EvalSymlinks(path); err == nil {
			c.Path = real
		}
	}
	return c
}

// Version identifies a configuration as it was at one time. Two are equal when no change
// between them should take effect.
type Version struct {
	// Hash of the content.
	Hash [sha256.Size]byte
	// Touched is the modification time in nanoseconds since the epoch: touching a file
	// requests a reload although its content is the same.
	Touched int64
}

// Short is a part of the hash that distinguishes contents for people; empty for none.
func (v Version) Short() string {
	if v.Hash == [sha256.Size]byte{} {
		return ""
	}
	return hex.EncodeToString(v.Hash[:6])
}

// Set is the complete result of a monitor: every existing configuration, sorted by name. A
// vassal that is not in it does not exist. Its receiver must not change it.
type Set []Config

// Monitor is a source of configurations.
type Monitor interface {
	// String names the monitor as the operator wrote it.
	String() string
	// Run calls report with the full set after its first read, and again after each change,
	// one call at a time, until ctx ends; then it returns nil. A source that fails for a while
	// keeps its last set and logs the failure: it never reports fewer vassals because it could
	// not read. It returns an error only when the first read fails.
	Run(ctx context.Context, report func(Set)) error
}

// after reports whether next should take effect after previous. The same content takes effect
// only when it was touched later: programs that copy a file set an older time after they have
// written it.
func after(previous, next Version) bool {
	return previous.Hash != next.Hash || next.Touched > previous.Touched
}

func versionOf(data []byte, touched time.Time) Version {
	return Version{Hash: sha256.Sum256(data), Touched: touched.UnixNano()}
}
