package namespaces

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MakeDirectory makes a directory with an owner and a mode. A directory that is there gets both, and keeps
// its contents. MakeDirectory follows no link in the last component: the parent belongs to root, or to
// the user itself.
func MakeDirectory(path string, uid, gid int, mode uint32) error {
	var is unix.Stat_t
	if err := unix.Lstat(path, &is); err == nil && int(is.Uid) == uid && int(is.Gid) == gid && is.Mode == unix.S_IFDIR|mode {
		return nil // the emperor has made it for a root that could not
	} else if err != nil && os.Geteuid() != 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	if err := unix.Mkdir(path, 0o700); err != nil && err != unix.EEXIST {
		return fmt.Errorf("cannot make directory %q: %w", path, err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
		if err = unix.Fchown(fd, uid, gid); err == nil {
			err = unix.Fchmod(fd, mode)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot use directory %q: %w", path, err)
	}
	return nil
}

// BelongsTo returns an error for a directory that belongs to another user than root and this one. A
// missing one belongs to no user.
func BelongsTo(path string, uid int) error {
	var is unix.Stat_t
	if err := unix.Lstat(path, &is); err == nil && is.Uid != 0 && int(is.Uid) != uid {
		return fmt.Errorf("directory %q belongs to uid %d, and the vassal to uid %d: another vassal may have it", path, is.Uid, uid)
	}
	return nil
}
