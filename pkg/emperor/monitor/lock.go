package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock claims the directory until the file that it returns is closed or the
// process ends; nothing is written to it. It fails, naming the holder, when
// another process with this one's user has claimed the directory: two emperors
// would start everything twice. A holder of another user's, who need only be able
// to read the directory, prevents nothing: then the file is nil and a warning is
// logged. A directory that is made anew under the same path is not claimed again.
func (d *Dir) Lock() (*os.File, error) {
	f, err := os.OpenFile(d.path, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %q: %w", d.path, cause(err))
	}
	pid, err := claim(f)
	if err == nil {
		return f, nil
	}
	defer f.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) { // a file system without locks
		d.options.Log.Warn("cannot lock the directory", "directory", d.path, "error", err)
		return nil, nil
	}
	var s unix.Stat_t
	switch {
	case pid == os.Getpid(): // the same directory by another name
		return nil, nil
	case pid == 0:
		return nil, fmt.Errorf("cannot govern %q: another process, which cannot be seen from here, has locked it", d.path)
	case unix.Stat("/proc/"+strconv.Itoa(pid), &s) == nil && int(s.Uid) != os.Geteuid():
		d.options.Log.Warn("another user has locked the directory", "directory", d.path, "pid", pid, "uid", s.Uid)
		return nil, nil
	}
	return nil, fmt.Errorf("cannot govern %q: another emperor does (pid %d)", d.path, pid)
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

// claim locks f. With the error EWOULDBLOCK comes the process that has locked it, or
// zero.
func claim(f *os.File) (holder int, err error) {
	for began := time.Now(); ; <-time.After(10 * time.Millisecond) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return 0, err
		}
		wait := burial
		if holder = lockHolder(f); holder == 0 {
			wait = glimpse
		} else if !dead(holder) {
			return holder, err
		}
		if time.Since(began) > wait {
			return holder, err
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
