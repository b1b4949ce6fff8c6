package namespaces

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Kinds returns each namespace of the set as a set of its own, in the order in which String
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

// enterNetwork moves the calling thread into a network namespace, as enter does.
func enterNetwork(network netns.NsHandle) error {
	if err := netns.Set(network); err != nil {
		return fmt.Errorf("cannot enter the %s namespace: %w", NewNet, err)
	}
	return nil
}

// enter moves the calling thread into a namespace of another kind. Its goroutine must be locked to the thread;
// it must be the main thread when processes that it starts are to be in the namespace as well.
// For a pid namespace, only processes started later are in it. No thread of a Go program can
// enter a user or time namespace (setns(2)).
func enter(which Flags, ns *os.File) error {
	if which == NewMount {
		// The kernel refuses a thread that shares its working directory with other threads.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("cannot enter the %s namespace: %w", which, err)
		}
	}
	if err := unix.Setns(int(ns.Fd()), int(which)); err != nil {
		return fmt.Errorf("cannot enter the %s namespace: %w", which, err)
	}
	return nil
}

// Differing returns the namespaces in which a process differs from this process.
func Differing(pid int) (Flags, error) {
	var all Flags
	for _, n := range names {
		same, err := Shares(pid, n.entry)
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

// Shares reports whether a process and this process have the same namespace, by its entry in /proc/PID/ns
// (namespaces(7)), such as user or pid_for_children. The caller needs the right to read the process (ptrace(2)). An
// error is neither yes nor no.
func Shares(pid int, entry string) (bool, error) {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, entry))
	if err != nil {
		return false, fmt.Errorf("cannot read its namespaces: %w", err)
	}
	ours, err := os.Stat("/proc/self/ns/" + entry)
	if err != nil {
		return false, fmt.Errorf("cannot read our namespaces: %w", err)
	}
	return os.SameFile(theirs, ours), nil
}

// PID opens the namespaces of the process with that pid. The caller makes sure that the process
// has not been reaped since its pid was read.
type PID int

// OpenNamespace implements Opener.
func (p PID) OpenNamespace(which Flags) (*os.File, error) {
	for _, n := range names {
		if n.flag == which {
			return os.Open(fmt.Sprintf("/proc/%d/ns/%s", p, n.entry))
		}
	}
	return nil, fmt.Errorf("cannot open namespace %q: not exactly one", which)
}

// OpenNetwork implements Opener.
func (p PID) OpenNetwork() (netns.NsHandle, error) { return netns.GetFromPid(int(p)) }
