package vassal

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// self is this program, independent of its path and the path's permissions.
const self = "/proc/self/exe"

// heldFD is the first descriptor for open programs, above the descriptors that a worker gets
// from 3 on.
const heldFD = 512

// ownPrograms are the paths of our programs. The user that this process becomes can execute them,
// also when that user may not enter their directory. A program that does not exist has a path at
// which there is none.
type ownPrograms struct {
	self   string // this one, for the worker stage
	server string // the built-in server
	helper string // reads YAML and XML, shares terminals
	twin   string // the native twin of this program, which can call C functions; empty: none, or this program is it
}

// findPrograms finds the programs that belong to this one. It is called before any privileges are
// dropped, and before anything of the tenant is read.
func findPrograms() (p ownPrograms, err error) {
	p.self = self
	if p.server, err = companion(libexec.Server); err != nil {
		return p, err
	}
	if p.helper, err = companion(libexec.Helper); err != nil {
		return p, err
	}
	if twin, missing := libexec.Find(hooks.TwinOf("vassal")); missing == nil && !hooks.IsNative {
		p.twin, err = hold(twin)
	}
	return p, err
}

// companion returns the path of a program that belongs to this one.
func companion(name string) (string, error) {
	path, err := libexec.Find(name)
	if err != nil || programs.ForAll(path) {
		return path, nil //nolint:nilerr // the vassal that needs it reports the error
	}
	return hold(path)
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
