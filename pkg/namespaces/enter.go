package namespaces

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Kinds returns each namespace of the set alone, in the order in which String
// prints them.
func (f Flags) Kinds() []Flags {
	var kinds []Flags
	for _, n := range names {
		if f.Has(n.flag) {
			kinds = append(kinds, n.flag)
		}
	}
	return kinds
}

// Enter moves the calling thread into a namespace: its goroutine must be locked to
// it, and it must be the main thread if processes that it starts are to be there
// as well. Into a pid namespace only those come. No thread of a Go program can
// enter a namespace of users or of time (setns(2)).
func Enter(which Flags, ns *os.File) error {
	if which == NewMount {
		// The kernel refuses a thread that shares its working directory with others.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("cannot enter the %s namespace: %w", which, err)
		}
	}
	if err := unix.Setns(int(ns.Fd()), int(which)); err != nil {
		return fmt.Errorf("cannot enter the %s namespace: %w", which, err)
	}
	return nil
}

// Differing returns the namespaces of a process that are not those of this one.
func Differing(pid int) (Flags, error) {
	var all Flags
	for _, n := range names {
		same, err := shares(pid, n.entry)
		switch {
		case n.flag == NewTime && errors.Is(err, os.ErrNotExist): // Linux before 5.6
		case err != nil:
			return 0, err
		case !same:
			all |= n.flag
		}
	}
	return all, nil
}

// shares reports whether a process is in the same namespace as this one, of the kind
// with that entry in /proc/PID/ns.
func shares(pid int, entry string) (bool, error) {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, entry))
	if err != nil {
		return false, fmt.Errorf("cannot see its namespaces: %w", err)
	}
	ours, err := os.Stat("/proc/self/ns/" + entry)
	if err != nil {
		return false, fmt.Errorf("cannot see our namespaces: %w", err)
	}
	return os.SameFile(theirs, ours), nil
}

// OpenOf returns a descriptor of a namespace of a process. The caller closes it, and
// makes sure that the process has not been reaped since its pid was learned.
func OpenOf(pid int, which Flags) (*os.File, error) {
	for _, n := range names {
		if n.flag == which {
			return os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, n.entry))
		}
	}
	return nil, fmt.Errorf("cannot open namespace %q: not exactly one", which)
}
