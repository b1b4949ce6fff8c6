// Package outset is the first thing that each program runs: it resets signals, protects memory
// and starts threads. It is small, because every vassal links it.
package outset

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Conceal denies other processes of the same user access to this process's memory and
// descriptors (PR_SET_DUMPABLE of prctl(2), ptrace(2)): the programs that a master runs have
// the master's user. It lasts until the next execve; a change of ids may undo it. The kernel
// does the same when it executes a file that the user cannot read, so there is no unprotected
// moment before the call. When the kernel refuses, Conceal ends the process.
func Conceal() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "cannot deny other processes access to this process:", err)
		os.Exit(1)
	}
}
