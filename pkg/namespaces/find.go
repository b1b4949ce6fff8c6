package namespaces

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FindProgram finds a program as execvp(3) does, in the directories of path instead of this
// process's own PATH. It ignores relative directories. The error wraps os.ErrNotExist when no
// such file exists, and os.ErrPermission when a file exists and none can be executed.
func FindProgram(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	failed := os.ErrNotExist
	for dir := range strings.SplitSeq(path, ":") {
		if name == "" || !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		switch err := executable(file); {
		case err == nil:
			return file, nil
		case os.IsPermission(err):
			failed = os.ErrPermission
		}
	}
	return "", failed
}

// executable checks with the rights of the calling thread.
func executable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err.(*os.PathError).Err //nolint:errorlint // it is of no other type
	}
	if info.IsDir() {
		return unix.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
}
