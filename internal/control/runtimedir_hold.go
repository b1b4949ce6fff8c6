package control

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// cleaning begins the text in the lock file while a command cleans a runtime directory up.
const cleaning = "cleaning, pid "

// HoldRuntimeDir takes the lock of a runtime directory for a command that cleans it up, until release, which also removes an
// empty directory that an emperor has made: an emperor that starts waits for that. It makes nothing else. A directory that does not exist is ErrNotExist, and an emperor that has the
// directory is a HeldError.
func HoldRuntimeDir(dir string) (release func(), err error) {
	if err := safe(dir, os.Geteuid()); err != nil {
		return nil, fmt.Errorf("runtime-dir %q: %w", dir, err)
	}
	c := &RuntimeDir{Dir: dir}
	if c.lock, err = c.hold(); err != nil {
		return nil, err
	}
	_, _ = c.lock.WriteAt([]byte(cleaning+holder(c.lock)+"\n"), 0)
	return func() {
		if !c.locked() {
			c.lock.Close()
			return
		}
		_ = os.Remove(c.LedgerDir()) // unless it is not empty
		c.vacate()
	}, nil
}

// lockAfterCleaning locks a lock file that another process has locked, when that one is a command that cleans up.
func lockAfterCleaning(f *os.File) error {
	if !strings.HasPrefix(holder(f), cleaning) {
		return unix.EWOULDBLOCK
	}
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}
