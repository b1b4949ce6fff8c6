package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor/reads"
)

// claims are locks and names that keep other emperors from the vassals of a monitor, until
// Unlock. Nothing of them is written anywhere.
type claims struct {
	mu    sync.Mutex
	held  []io.Closer
	late  bool // the directory did not answer when it was to be locked
	ended bool
}

func (c *claims) add(held io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		held.Close()
		return
	}
	c.held = append(c.held, held)
	c.late = false
}

// Unlock gives up the claims of Lock.
func (f *files) Unlock() {
	f.claims.mu.Lock()
	defer f.claims.mu.Unlock()
	for _, held := range f.claims.held {
		held.Close()
	}
	f.claims.held, f.claims.ended = nil, true
}

// Lock claims the directory until Unlock or the end of the process; nothing is written
// to it. It fails, naming the holder, when another process with this one's user has
// claimed the directory: two emperors would start everything twice. A holder of another
// user's, which need only be able to read the directory, prevents nothing: then a warning
// is logged. A directory that does not answer is claimed when it does. One that is made
// anew under the same path is not claimed again.
func (d *Dir) Lock() error {
	err := d.lock(d.path, unix.LOCK_EX)
	if errors.Is(err, reads.ErrSlow) {
		d.claims.mu.Lock()
		d.claims.late = true
		d.claims.mu.Unlock()
		d.options.Log.Warn("cannot lock the directory yet", "directory", d.path, "error", err)
		return nil
	}
	return err
}

// claimLate claims a directory that has answered at last.
func (d *Dir) claimLate() error {
	d.claims.mu.Lock()
	late := d.claims.late
	d.claims.mu.Unlock()
	if !late {
		return nil
	}
	f, err := os.OpenFile(d.path, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		return err
	}
	return d.claim(f, unix.LOCK_EX, false)
}

// lock opens the directory path and claims it in that way (flock(2)).
func (f *files) lock(path string, how int) error {
	dir, err := reads.Open(context.Background(), f.options.Reads, path, func() (*os.File, error) {
		return os.OpenFile(path, os.O_RDONLY|oDirectory, 0)
	})
	if err != nil {
		return fmt.Errorf("cannot lock %q: %w", path, cause(err))
	}
	return f.claim(dir, how, true)
}

const (
	// burial is how long a killed emperor may hold on to its lock: until all its
	// threads have ended, and until the process that it was just cloning has
	// executed its program.
	burial = 5 * time.Second
	// glimpse is how long a holder that cannot be seen is waited for. It may be in
	// another pid namespace, or dead, or have let go just now.
	glimpse = time.Second
)

// claim locks a directory, and keeps or closes it.
func (f *files) claim(dir *os.File, how int, patient bool) error {
	pid, err := flock(dir, how, patient)
	if err == nil {
		f.claims.add(dir)
		return nil
	}
	defer dir.Close()
	if !errors.Is(err, errHeld) { // a file system without locks
		f.options.Log.Warn("cannot lock the directory", "directory", dir.Name(), "error", err)
		return nil
	}
	return f.held(dir.Name(), pid, ownerOf(pid))
}

// held returns the error for a claim of another process, if it is one.
func (f *files) held(what string, pid, uid int) error {
	switch {
	case pid == os.Getpid(): // the same by another name
		return nil
	case pid == 0:
		return fmt.Errorf("cannot govern %q: another process, which cannot be seen from here, has locked it", what)
	case uid >= 0 && uid != os.Geteuid():
		f.options.Log.Warn("another user has locked it", "place", what, "pid", pid, "uid", uid)
		return nil
	}
	return fmt.Errorf("cannot govern %q: another emperor does (pid %d)", what, pid)
}

// ownerOf is the user of a process, or -1.
func ownerOf(pid int) int {
	var s unix.Stat_t
	if unix.Stat("/proc/"+strconv.Itoa(pid), &s) != nil {
		return -1
	}
	return int(s.Uid)
}

// flock locks f. With the error EWOULDBLOCK comes the process that has locked it, or
// zero.
func flock(f *os.File, how int, patient bool) (holder int, err error) {
	err = await(patient, func() (int, error) {
		if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return 0, err
		}
		holder = lockHolder(f)
		return holder, errHeld
	})
	return holder, err
}

// errHeld says that another process has the claim.
var errHeld = errors.New("is held by another process")

// await tries to claim something until it is not held, or by a process that lives. A
// holder that is dead, or that cannot be seen, is waited for a while.
func await(patient bool, try func() (holder int, err error)) error {
	for began := time.Now(); ; <-time.After(10 * time.Millisecond) {
		holder, err := try()
		wait := burial
		switch {
		case !errors.Is(err, errHeld):
			return err
		case holder == 0:
			wait = glimpse
		case !dead(holder):
			return err
		}
		if !patient || time.Since(began) > wait {
			return err
		}
	}
}

// dead reports whether a process is dead, or about to be: it was killed, or its
// first thread has ended and others are still ending (proc_pid_stat(5)).
func dead(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(unix.Kill(pid, 0), unix.ESRCH)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name before it may hold any byte
	if len(fields) < 29 {
		return false
	}
	const exiting, killed = 4, 1 << (unix.SIGKILL - 1) // PF_EXITING of linux/sched.h
	flags, _ := strconv.ParseUint(fields[6], 10, 64)
	pending, _ := strconv.ParseUint(fields[28], 10, 64)
	return fields[0] == "Z" || fields[0] == "X" || flags&exiting != 0 || pending&killed != 0
}

// lockHolder is the process that has locked f by flock(2), as /proc/locks tells
// it, or zero.
func lockHolder(f *os.File) int {
	var s unix.Stat_t
	table, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(f.Fd()), &s) != nil {
		return 0
	}
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(s.Dev), unix.Minor(s.Dev), s.Ino)
	for line := range strings.Lines(string(table)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
		if w := strings.Fields(line); len(w) > 5 && w[1] == "FLOCK" && w[5] == inode {
			pid, _ := strconv.Atoi(w[4])
			return max(0, pid)
		}
	}
	return 0
}
