package address

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File identifies a file, also when another file has its path later. The inode number is not
// enough, because file systems reuse it at once. The time of birth is not available everywhere
// (statx(2)); it is zero then.
type File struct {
	major, minor uint32
	inode        uint64
	born         unix.StatxTimestamp
}

// FileOf returns the current file at a path; for a link, the link itself.
func FileOf(path string) (File, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	return File{st.Dev_major, st.Dev_minor, st.Ino, st.Btime}, err
}

// FileAt returns the file of a descriptor, which may be open with O_PATH.
func FileAt(fd int) (File, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st)
	return File{st.Dev_major, st.Dev_minor, st.Ino, st.Btime}, err
}

// Is reports whether a path still names this file.
func (f File) Is(path string) bool {
	now, err := FileOf(path)
	return err == nil && now == f
}

// Absolute returns an absolute path, which does not depend on the working directory. It
// returns a relative path unchanged when the working directory has no path.
func Absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
