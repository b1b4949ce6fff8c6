// Package atomicfile replaces files in one step.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Options are the properties of a new file. The zero value: only this user reads and writes it, and a crash of the
// machine may lose its content.
type Options struct {
	// Mode is the mode of the file, whatever the umask is. Zero: 0600.
	Mode fs.FileMode
	// Owner has the file. Nil: this process's user and group.
	Owner *Owner
	// Sync writes the content to the disk before the file has its name: after a crash of the machine the path leads to
	// the old content or to the new one.
	Sync bool
	// Beside is the directory of the file until it has its name, on the same file system. Empty: the file's own. A
	// directory in which every file is an entry needs another one, for the case that this process is killed.
	Beside string
}

// Owner is a user and a group, as numbers. -1: this process's.
type Owner struct{ UID, GID int }

// Write replaces the file at a path, or makes it: another process that opens the path finds the old content or the new
// one, and never a part. The path is not followed: a symbolic link is replaced by the file. After an error the path
// leads to the old file, and no other file is left. A process that is killed may leave a file whose name begins with a
// dot. info is the identity of the new file.
func Write(path string, data []byte, o Options) (info fs.FileInfo, err error) {
	dir := o.Beside
	if dir == "" {
		dir = filepath.Dir(path)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	if info, err = o.fill(f, data); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return info, nil
}

// fill writes a file, gives it its properties and closes it. The owner comes before the mode, of which chown(2) clears
// bits.
func (o Options) fill(f *os.File, data []byte) (info fs.FileInfo, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err = f.Write(data); err != nil {
		return nil, err
	}
	if o.Owner != nil {
		if err = f.Chown(o.Owner.UID, o.Owner.GID); err != nil {
			return nil, err
		}
	}
	if o.Mode != 0 {
		if err = f.Chmod(o.Mode); err != nil {
			return nil, err
		}
	}
	if o.Sync {
		if err = f.Sync(); err != nil {
			return nil, err
		}
	}
	return f.Stat()
}
