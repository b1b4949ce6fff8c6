package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Infinity is a resource limit that does not limit (RLIM_INFINITY).
const Infinity = unix.RLIM_INFINITY

// SetResource sets the soft and the hard limit of a resource, such as unix.RLIMIT_NOFILE, of
// this process and of all that it starts (setrlimit(2)), and reads both back. Only a process
// with CAP_SYS_RESOURCE can raise the hard limit.
func SetResource(resource int, soft, hard uint64) error {
	var before, after unix.Rlimit
	if err := unix.Getrlimit(resource, &before); err != nil {
		return fmt.Errorf("cannot read the limit: %w", err)
	}
	want := unix.Rlimit{Cur: soft, Max: hard}
	if err := unix.Setrlimit(resource, &want); err != nil {
		return fmt.Errorf("cannot set the limit to %s, which is %s: %w", FormatLimit(soft, hard), formatLimit(before), err)
	}
	if err := unix.Getrlimit(resource, &after); err != nil {
		return fmt.Errorf("cannot read the limit: %w", err)
	}
	if after != want {
		return fmt.Errorf("the limit is %s and not %s", formatLimit(after), formatLimit(want))
	}
	return nil
}

// ResourceMax returns the hard limit of a resource of this process.
func ResourceMax(resource int) (uint64, error) {
	var l unix.Rlimit
	err := unix.Getrlimit(resource, &l)
	return l.Max, os.NewSyscallError("getrlimit", err)
}

func formatLimit(l unix.Rlimit) string { return FormatLimit(l.Cur, l.Max) }

// FormatLimit formats a limit as soft:hard.
func FormatLimit(soft, hard uint64) string {
	word := func(n uint64) string {
		if n == Infinity {
			return "infinity"
		}
		return strconv.FormatUint(n, 10)
	}
	return word(soft) + ":" + word(hard)
}

// resourcesOf reads the limits of a process, by resource: /proc/PID/limits has one line for each,
// in the order of their numbers, after a heading (proc_pid_limits(5)). prlimit(2) would need
// CAP_SYS_RESOURCE.
func resourcesOf(pid int) (list []unix.Rlimit, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return nil, err
	}
	_, lines, _ := strings.Cut(string(text), "\n")
	for line := range strings.Lines(lines) {
		var l unix.Rlimit
		words := strings.Fields(line[min(len(line), limitColumn):])
		if len(words) < 2 {
			return nil, fmt.Errorf("%q has no limits", line)
		}
		for i, into := range []*uint64{&l.Cur, &l.Max} {
			if *into, err = Infinity, nil; words[i] != "unlimited" {
				*into, err = strconv.ParseUint(words[i], 10, 64)
			}
			if err != nil {
				return nil, err
			}
		}
		list = append(list, l)
	}
	return list, nil
}

// limitColumn is the width of the first column of that file.
const limitColumn = 26

// defaultSoft is the soft limit of descriptors that the kernel gives its first process.
const defaultSoft = 1024

// adoptResources sets limits of this process, by resource, as far as it may raise them. Limits of
// the address space and of the number of processes can end the Go runtime: last sets these two,
// immediately before execve, and not the others.
func adoptResources(list []unix.Rlimit, last bool) error {
	for i, want := range list {
		if (i == unix.RLIMIT_AS || i == unix.RLIMIT_NPROC) != last {
			continue
		}
		// A Go program raises its own soft limit to the hard one, or one less, but not the limit of
		// the programs that it starts.
		if i == unix.RLIMIT_NOFILE && want.Max-want.Cur <= 1 {
			want.Cur = min(want.Cur, defaultSoft)
		}
		err := unix.Setrlimit(i, &want)
		if errors.Is(err, unix.EPERM) {
			var now unix.Rlimit
			if err = unix.Getrlimit(i, &now); err == nil {
				want.Max = min(want.Max, now.Max)
				want.Cur = min(want.Cur, want.Max)
				err = unix.Setrlimit(i, &want)
			}
		}
		if err != nil {
			return fmt.Errorf("cannot set resource limit %d: %w", i, err)
		}
	}
	return nil
}
