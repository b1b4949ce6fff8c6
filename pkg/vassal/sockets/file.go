package sockets

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File tells one file from another that has its path later. An inode's number
// alone does not: file systems use it again at once. The time of birth is not
// known everywhere (statx(2)); then it is zero in both.
type File struct {
	major, minor uint32
	inode        uint64
	born         unix.StatxTimestamp
}

// FileOf returns what a path is now; of a link, the link.
func FileOf(path string) (File, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	return File{st.Dev_major, st.Dev_minor, st.Ino, st.Btime}, err
}

// Is reports whether a path still is this file.
func (f File) Is(path string) bool {
	now, err := FileOf(path)
	return err == nil && now == f
}

// Absolute is a path that means the same when the working directory is another; a
// relative one where that has no name.
func Absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
