// Package monitor answers one question: which vassals should exist now?
package monitor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/claims"
)

// MaxConfig is the largest configuration that is read, in bytes.
const MaxConfig = 1 << 20

// ErrReading is the Err of a configuration that is there and still being read.
var ErrReading = errors.New("is still being read")

// Config is one configuration as it was found: read once, and never to be read
// again by its path.
type Config struct {
	// Name is the vassal's name: the file name in a directory, the path as a pattern
	// spells it. Any byte but NUL may be in it.
	Name string
	// Path is where it was found, absolute, for messages.
	Path string
	// Dir is the absolute working directory of the vassal, at which Name and the
	// relative names in the configuration start.
	Dir string
	// Entry is where it was found, whatever the path is. Zero: that is not known.
	Entry Entry
	// Printed: Data is the output of the file, which is a program.
	Printed bool
	// Data is the content. Nobody may write to it.
	Data []byte
	// Version changes whenever the configuration should take effect again.
	Version Version
	// UID and GID own the file that was read.
	UID, GID uint32
	// Err says why there is something of that name that cannot be used; Data and
	// Version are then empty. A vassal that runs goes on as it is.
	Err error
}

// Entry is a name in a directory: what makes a vassal. Several names of one file, by links,
// are several vassals.
type Entry struct {
	Dir  claims.Dir
	Name string
}

// Located returns c with Dir and Path as uWSGI's magic variables %v and %p name them
// now: without symbolic links in directories, while a file that is a link keeps its
// own name. It looks at the file system, so it may block. Links that lead nowhere
// stay as they are.
func (c Config) Located() Config {
	if dir, err := filepath.EvalSymlinks(c.Dir); err == nil {
		c.Dir = dir
	}
	path := c.Name
	if !filepath.IsAbs(path) {
		path = c.Dir + "/" + path
	}
	if info, err := os.Lstat(path); err != nil {
		return c
	} else if info.Mode()&os.ModeSymlink != 0 {
		c.Path = path
	} else if real, err := filepath.EvalSymlinks(path); err == nil {
		c.Path = real
	}
	return c
}

// Version identifies a configuration as it was at one time. Two are equal when
// nothing happened in between that anybody could want to take effect.
type Version struct {
	// Hash of the content.
	Hash [sha256.Size]byte
	// Touched is the modification time in nanoseconds since the epoch: touching
	// a file asks for a reload although its content is the same.
	Touched int64
}

// Short is enough of the hash to tell contents apart for people; empty for none.
func (v Version) Short() string {
	if v.Hash == [sha256.Size]byte{} {
		return ""
	}
	return hex.EncodeToString(v.Hash[:6])
}

// Set is all a monitor knows: every configuration that is there, sorted by name.
// What is not in it does not exist. Its receiver must not change it.
type Set []Config

// Monitor is a source of configurations.
type Monitor interface {
	// String names the monitor as the operator wrote it.
	String() string
	// Run calls report with the full set as soon as it has looked once, and again
	// after each change, one call at a time, until ctx ends; then it returns nil.
	// A source that fails for a while keeps its last set and says so in the log:
	// it never reports fewer vassals because it could not look. An error is
	// returned only when the first look fails.
	Run(ctx context.Context, report func(Set)) error
}

// after reports whether next should take effect where previous did before. The
// same content counts only when it was touched later: programs that copy a file
// set an older time after they have written it.
func after(previous, next Version) bool {
	return previous.Hash != next.Hash || next.Touched > previous.Touched
}

func versionOf(data []byte, touched time.Time) Version {
	return Version{Hash: sha256.Sum256(data), Touched: touched.UnixNano()}
}
