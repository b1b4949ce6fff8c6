package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is the largest number of symbolic links in a path, as in the kernel
// (path_resolution(7)).
const maxLinks = 40

// openTarget opens the target of a privileged operation with O_PATH. The path is absolute.
// openTarget follows no magic link of procfs, and follows a symbolic link only when root or
// this process owns it: other users cannot redirect a mount. The caller closes the file.
func openTarget(path string) (*os.File, error) {
	f, err := followTarget(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", path, err)
	}
	return f, nil
}

func followTarget(path string) (*os.File, error) { return rootDir{}.follow(path) }

// rootDir is a directory in which absolute paths begin. The zero value is the root directory of this process.
type rootDir struct {
	dir  *os.File
	path string // of dir
}

// follow opens a file with O_PATH, as openTarget does.
func (g rootDir) follow(path string) (*os.File, error) {
	if !filepath.IsAbs(path) {
		return nil, errors.New("not an absolute path")
	}
	for range maxLinks {
		f, err := g.open(path)
		if err == nil || !errors.Is(err, unix.ELOOP) {
			return f, err
		}
		if path, err = g.followFirst(path); err != nil {
			return nil, err
		}
	}
	return nil, unix.ELOOP
}

// open opens a file with O_PATH, at an absolute path without symbolic links.
func (g rootDir) open(path string) (*os.File, error) {
	from, to, resolve := unix.AT_FDCWD, path, uint64(unix.RESOLVE_NO_SYMLINKS)
	if g.dir != nil {
		from, to, resolve = int(g.dir.Fd()), "."+path, resolve|unix.RESOLVE_IN_ROOT
	}
	fd, err := openat2(from, to, 0, resolve)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// pathOf returns the path of an open file, as of now. It needs /proc.
func (g rootDir) pathOf(f *os.File) (string, error) {
	path, err := os.Readlink(byDescriptor(f))
	if err != nil || g.dir == nil {
		return path, err
	}
	inside, ok := strings.CutPrefix(path, g.path)
	if !ok || inside != "" && inside[0] != '/' {
		return "", errors.New("it is not in the new root directory")
	}
	return "/" + strings.TrimPrefix(inside, "/"), nil
}

// Followed returns an absolute path without symbolic links. It follows only links of root and of this process's user.
func Followed(path string) (string, error) {
	f, err := openTarget(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return os.Readlink(byDescriptor(f))
}

// openat2 opens with O_PATH. A concurrent rename of a parent makes it fail with EAGAIN; the
// caller may retry then (openat2(2)).
func openat2(dir int, path string, flags, resolve uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: resolve | unix.RESOLVE_NO_MAGICLINKS}
	for range maxLinks {
		fd, err = unix.Openat2(dir, path, &how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return fd, err
}

// followFirst returns the path with its first symbolic link replaced by the link's target.
func (g rootDir) followFirst(path string) (string, error) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	root, err := g.open("/")
	if err != nil {
		return "", err
	}
	defer root.Close()
	dir, err := unix.FcntlInt(root.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return "", err
	}
	defer func() { unix.Close(dir) }()
	for i, part := range parts {
		if part == ".." { // the directories before it are no links; the root directory is its own parent
			return "/" + strings.Join(append(parts[:max(i-1, 0):max(i-1, 0)], parts[i+1:]...), "/"), nil
		}
		next, err := openat2(dir, part, unix.O_NOFOLLOW, 0)
		if err != nil {
			return "", err
		}
		to, err := readLink(next)
		if to != "" && isMagic(dir, part) {
			err = unix.ELOOP
		}
		if err != nil || to != "" {
			unix.Close(next)
			if err != nil {
				return "", fmt.Errorf("/%s: %w", strings.Join(parts[:i+1], "/"), err)
			}
			if !filepath.IsAbs(to) {
				to = "/" + strings.Join(append(parts[:i:i], to), "/")
			}
			return strings.Join(append([]string{to}, parts[i+1:]...), "/"), nil
		}
		unix.Close(dir)
		dir = next
	}
	return path, nil // the link is gone
}

// isMagic reports whether a link names a file instead of a path, such as the links in
// /proc/PID/fd, or leads to such a link, or in a circle. The kernel answers with ELOOP
// (openat2(2)).
func isMagic(dir int, link string) bool {
	fd, err := openat2(dir, link, 0, 0)
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.ELOOP)
}

// readLink returns the target of a symbolic link that may be followed, and an empty string for
// any other file.
func readLink(fd int) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", nil
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return "", foreignError(fmt.Sprintf("a symbolic link of uid %d is not followed", st.Uid))
	}
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}

// ErrForeign is the error of a file that other users than root and the one of this process decide about.
var ErrForeign = errors.New("another user decides about the file")

// foreignError is an ErrForeign with its reason.
type foreignError string

func (e foreignError) Error() string { return string(e) }

// Is reports whether the target is ErrForeign.
func (e foreignError) Is(target error) bool { return target == ErrForeign }

// OpenTrusted opens a regular file for reading, at an absolute path. The file must belong to root, each
// symbolic link to it to root or the user of this process, and no other user may write to it; otherwise
// the error is ErrForeign. It needs /proc.
func OpenTrusted(path string) (*os.File, error) {
	found, err := followTarget(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(found.Fd()), &s); err != nil {
		return nil, err
	}
	switch {
	case s.Uid != 0:
		return nil, foreignError(fmt.Sprintf("it belongs to uid %d", s.Uid))
	case s.Mode&unix.S_IFMT != unix.S_IFREG, s.Nlink > 1, s.Mode&0o022 != 0:
		return nil, foreignError("other users can write to it, or to its name")
	}
	return os.OpenFile(byDescriptor(found), os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// byDescriptor returns a path that names exactly the open file, for system calls that take no
// descriptor.
func byDescriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
