package vassal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/hooks"
)

const (
	// self is this program, independent of its path and the path's permissions.
	self = "/proc/self/exe"
	// serverName is the name of the built-in server, and parserName of the program that reads
	// configurations in other formats than ini.
	serverName = "vassal-server"
	parserName = "vassal-parse"
	// heldFD is the first descriptor for open programs, above the descriptors that a worker
	// gets from 3 on.
	heldFD = 512
)

// Programs returns the paths of the vassal program, which is this one, and of the server and
// the parser beside it, or else in PATH. The user that this process becomes can execute them,
// even when that user may not enter their directory: Programs is called before any privileges
// are dropped.
func Programs() (vassal, server, parser string, err error) {
	own, err := os.Executable()
	if err != nil {
		return "", "", "", fmt.Errorf("cannot find this program: %w", err)
	}
	if server, err = companion(own, serverName); err != nil {
		return "", "", "", err
	}
	parser, err = companion(own, parserName)
	return self, server, parser, err
}

// companion returns the path of a program beside this one, or its name, to be searched in
// PATH.
func companion(own, name string) (string, error) {
	path := filepath.Join(filepath.Dir(own), name)
	if _, err := exec.LookPath(path); err != nil {
		return name, nil //nolint:nilerr // who needs it says that it is not there
	}
	if forAll(path) {
		return path, nil
	}
	return hold(path)
}

// Twin returns a path of the native twin of this program, which can call C functions, or ""
// when there is none, or when this program is it. Like Programs it is called before any
// privileges are dropped.
func Twin() string {
	own, err := os.Executable()
	if err != nil || hooks.IsNative {
		return ""
	}
	fd, err := unix.Open(hooks.TwinOf(own), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }()
	held, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, heldFD)
	if err != nil {
		return hooks.TwinOf(own)
	}
	return fmt.Sprintf("/proc/self/fd/%d", held)
}

// forAll reports whether every user can reach and execute a file.
func forAll(path string) bool {
	for ; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if path == "/" {
			return true
		}
	}
}

// hold opens a program for the life of this process and returns a path to it that only needs
// the permissions of the file itself. No other program inherits it.
func hold(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	held, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, heldFD)
	if err != nil {
		return path, nil // no free descriptor: as good as before
	}
	return fmt.Sprintf("/proc/self/fd/%d", held), nil
}
