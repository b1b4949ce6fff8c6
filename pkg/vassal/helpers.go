package vassal

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

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
	self   string         // this one, for the worker stage
	server string         // the built-in server
	helper string         // reads YAML and XML, shares terminals
	twin   string         // the native twin of this program, which can call C functions; empty: none, or this program is it
	passed map[string]int // the descriptors of programs that the emperor has opened
}

// findPrograms finds the programs that belong to this one: opened by the emperor at its start, or
// else beside this one. It is called before any privileges are dropped, and before anything of the
// tenant is read.
func findPrograms() (p ownPrograms, err error) {
	inherited, err := libexec.Passed()
	if err != nil {
		return p, err
	}
	p.self, p.passed = self, map[string]int{}
	for name, fd := range inherited {
		held, err := raise(fd)
		if err != nil {
			return p, fmt.Errorf("cannot use the open program %s: %w", name, err)
		}
		p.passed[name] = held
	}
	if p.server, err = p.companion(libexec.Server); err != nil {
		return p, err
	}
	if p.helper, err = p.companion(libexec.Helper); err != nil {
		return p, err
	}
	if hooks.IsNative {
		return p, nil
	}
	name := hooks.TwinOf("vassal")
	if _, missing := libexec.Find(name); missing == nil || p.passed[name] > 0 {
		p.twin, err = p.companion(name)
	}
	return p, err
}

// keep holds all programs, before their paths lead to others or to none.
func (p *ownPrograms) keep() (err error) {
	for _, path := range []*string{&p.server, &p.helper} {
		if _, missing := os.Stat(*path); missing != nil || strings.HasPrefix(*path, "/proc/") {
			continue
		}
		if *path, err = hold(*path); err != nil {
			return err
		}
	}
	return nil
}

// companion returns the path of a program that belongs to this one.
func (p ownPrograms) companion(name string) (string, error) {
	if fd, ok := p.passed[name]; ok {
		return heldPath(fd), nil
	}
	path, err := libexec.Find(name)
	if err != nil || programs.ForAll(path) {
		return path, nil //nolint:nilerr // the vassal that needs it reports the error
	}
	return hold(path)
}

// leave returns the descriptors that the next program of this process takes over, and their variable.
func (p ownPrograms) leave() (fds []int, environ []string) {
	return slices.Collect(maps.Values(p.passed)), libexec.Variable(p.passed)
}

// hold opens a program for the life of this process and returns a path to it that only needs
// the permissions of the file itself. No other program inherits it.
func hold(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("cannot open %q: %w", path, err)
	}
	held, err := raise(fd)
	if err != nil {
		return path, nil //nolint:nilerr // no free descriptor: as good as before
	}
	return heldPath(held), nil
}

// raise moves a descriptor above the descriptors of workers, or as far up as the limit of open files permits. No
// other program inherits it.
func raise(fd int) (int, error) {
	lowest := heldFD
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < 2*heldFD {
		lowest = int(limit.Cur / 2)
	}
	if fd >= lowest {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
		return fd, err
	}
	defer unix.Close(fd)
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, lowest)
}

func heldPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
