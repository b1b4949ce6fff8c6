package claims

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/procstat"
)

// sign locks an open directory with flock(2), for emperors that keep their claims in another
// place: another mount namespace has another /run. how as in flock(2). It fails with a
// HeldError when another emperor of the same user has locked the directory. Every process that
// can open a directory can lock it, so any other lock, and one with an unknown holder, is only
// logged. ok: it is locked, or will be when its file system answers.
func (r *Registry) sign(dir *os.File, how int, bound Bound) (ok bool, err error) {
	pid, known := 0, false
	var answered atomic.Bool
	if bound == nil {
		bound = func(_ string, call func() error) error { return call() }
	}
	err = Patiently(func() (err error) {
		err = bound(dir.Name(), func() error {
			defer answered.Store(true)
			return r.flock(dir, how|unix.LOCK_NB)
		})
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		switch pid, known = flocker(dir, r.uid); {
		case known:
			return HeldError{pid}
		case pid == os.Getpid(): // the same directory by another name
			return nil
		case pid == 0 || dead(pid):
			return HeldError{}
		}
		return err
	})
	if err == nil {
		return true, nil
	}
	_, held := errors.AsType[HeldError](err)
	log := r.log.With("directory", dir.Name())
	const careful = "; an emperor that keeps its claims elsewhere would not be noticed"
	switch {
	case known:
		return false, err
	case !answered.Load():
		log.Warn("cannot lock the directory yet", "error", err)
		return true, nil // the call continues, and needs the descriptor
	case held && pid == 0:
		log.Warn("a process that cannot be seen from here has locked the directory" + careful)
	case pid != 0:
		log.Warn("a process that is no emperor of this user has locked the directory"+careful, "pid", pid)
	default: // a file system without locks
		log.Warn("cannot lock the directory", "error", err)
	}
	return false, nil
}

// flock is flock(2). A file that is closed meanwhile stays open until it returns.
func flock(dir *os.File, how int) error {
	raw, err := dir.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) { err = unix.Flock(int(fd), how) })
	return errors.Join(control, err)
}

// isEmperor reports whether a process is an emperor of a user and holds a lock. All its user ids are the ids
// of that user, which excludes set-user-id programs. It runs a program with this one's name. The lock, as the
// kernel names it, is still on one of its descriptors, which is the file f. A lock stays when its holder
// executes another program or passes it on, and the kernel gives the roots of all subvolumes of a btrfs the
// same name.
func isEmperor(pid, uid int, lock string, f *os.File) bool {
	dir := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return false
	}
	own := strconv.Itoa(uid)
	for _, id := range field(status, "Uid:") {
		if id != own {
			return false
		}
	}
	theirs, err := os.Readlink(dir + "exe")
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/exe")
	name := func(path string) string { return filepath.Base(strings.TrimSuffix(path, " (deleted)")) }
	if err != nil || name(ours) != name(theirs) {
		return false
	}
	fds, _ := os.ReadDir(dir + "fdinfo")
	for _, fd := range fds {
		info, _ := os.ReadFile(dir + "fdinfo/" + fd.Name())
		if words := field(info, "lock:"); len(words) > 5 && words[1] == "FLOCK" && words[5] == lock && sameFile(f, dir+"fd/"+fd.Name()) {
			return true
		}
	}
	return false
}

// sameFile reports whether a path leads to the open file. It asks no server of a network file
// system, so it does not block.
func sameFile(f *os.File, path string) bool {
	var ours, theirs unix.Statx_t
	const cached = unix.AT_STATX_DONT_SYNC
	return unix.Statx(int(f.Fd()), "", cached|unix.AT_EMPTY_PATH, unix.STATX_INO, &ours) == nil &&
		unix.Statx(unix.AT_FDCWD, path, cached, unix.STATX_INO, &theirs) == nil &&
		ours.Ino == theirs.Ino && ours.Dev_major == theirs.Dev_major && ours.Dev_minor == theirs.Dev_minor
}

// field returns the words of a line of proc_pid_status(5) and similar files.
func field(text []byte, name string) []string {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// procIsOurs reports whether /proc shows this process's pid namespace. Another one would show
// different numbers.
func procIsOurs() bool {
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && len(field(status, "NSpid:")) == 1
}

// dead reports whether a process is dead or dying: it was killed, or its first thread has
// ended and others are still ending (proc_pid_stat(5)).
func dead(pid int) bool {
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return true
	}
	s, ok := procstat.Read(strconv.Itoa(pid))
	if !ok || !procIsOurs() {
		return false
	}
	const exiting, killed = 4, 1 << (unix.SIGKILL - 1) // PF_EXITING of linux/sched.h
	return s.State == "Z" || s.State == "X" || s.Number(procstat.Flags)&exiting != 0 || s.Number(procstat.PendingSignals)&killed != 0
}

// lockName returns the name of an open file in /proc/locks: the device of its file system and
// the number of its inode. The device of stat(2) differs in subvolumes of btrfs.
// Empty: it is unknown.
func lockName(f *os.File) string {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	mount, ino := field(info, "mnt_id:"), field(info, "ino:") // ino: Linux 5.14
	if err != nil || len(mount) != 1 || len(ino) != 1 {
		return ""
	}
	found, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		is := strconv.Itoa(m.ID) == mount[0]
		return !is, is
	})
	if err != nil || len(found) == 0 {
		return ""
	}
	return fmt.Sprintf("%02x:%02x:%s", found[0].Major, found[0].Minor, ino[0])
}

// flocker returns a process that has locked f by flock(2), from /proc/locks, and reports
// whether that is an emperor of a user (see isEmperor). Zero: it is in another pid namespace,
// or there is none.
func flocker(f *os.File, uid int) (pid int, known bool) {
	lock := lockName(f)
	table, err := os.ReadFile("/proc/locks")
	if err != nil || lock == "" || !procIsOurs() {
		return 0, false
	}
	for line := range strings.Lines(string(table)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
		w := strings.Fields(line)
		if len(w) < 6 || w[1] != "FLOCK" || w[5] != lock {
			continue
		}
		n, _ := strconv.Atoi(w[4])
		if n > 0 && n != os.Getpid() && isEmperor(n, uid, lock, f) {
			return n, true
		}
		if pid != os.Getpid() {
			pid = max(0, n)
		}
	}
	return pid, false
}
