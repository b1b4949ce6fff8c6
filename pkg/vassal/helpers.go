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

// ownPrograms are the paths of our programs. The user that this process becomes can execute them,
// also when that user may not enter their directory.
type ownPrograms struct {
	self   string // this one, for the worker stage
	server string // the built-in server
	parser string // reads YAML and XML
	twin   string // the native twin of this program, which can call C functions; empty: none, or this program is it
}

// findPrograms finds the programs beside this one, or else in PATH. It is called before any
// privileges are dropped.
func findPrograms() (p ownPrograms, err error) {
	own, err := os.Executable()
	if err != nil {
		return p, fmt.Errorf("cannot find this program: %w", err)
	}
	p.self, p.twin = self, twinOf(own)
	if p.server, err = companion(own, serverName); err != nil {
		return p, err
	}
	p.parser, err = companion(own, parserName)
	return p, err
}

// companion returns the path of a program beside this one, or its name, to be searched in
// PATH.
func companion(own, name string) (string, error) {
	path := filepath.Join(filepath.Dir(own), name)
	if _, err := exec.LookPath(path); err != nil {
		return name, nil //nolint:nilerr // the caller that needs it reports the error
	}
	if forAll(path) {
		return path, nil
	}
	return hold(path)
}

// twinOf returns the path of the native twin of this program.
func twinOf(own string) string {
	if hooks.IsNative {
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
