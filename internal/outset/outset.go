// Package outset answers one question: what does each of our programs do before all
// else? It is small: every vassal pays for it.
package outset

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Conceal keeps other processes of the same user from this process's memory and
// descriptors (PR_SET_DUMPABLE of prctl(2), ptrace(2)): the programs that a master runs
// are its own user's. It lasts until the next execve, and a change of ids may undo it.
// The kernel does the same at the execve of a file that the user cannot read, so that
// there is no moment before. It ends the process where that cannot be.
func Conceal() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "cannot keep others out of this process:", err)
		os.Exit(1)
	}
}
