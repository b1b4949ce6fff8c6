package namespaces

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Limits are the rights of a process that another one is to have no more than.
type Limits struct {
	UID, GID uint32
	Groups   []uint32
	// KeepGroups: nobody can change groups in its user namespace, nor could it.
	KeepGroups bool
	// Bounding is the capability bounding set (capabilities(7)).
	Bounding uint64
	// NoNewPrivs: no program that it executes gets more (PR_SET_NO_NEW_PRIVS).
	NoNewPrivs bool
}

// LimitsOf reads those of a process from /proc. Mapped gives the ids as they are in
// its user namespace; an id that is none there is an error.
func LimitsOf(pid int, mapped bool) (Limits, error) {
	l, err := limitsOf(pid)
	if err == nil && mapped {
		err = l.translate(pid)
	}
	if err != nil {
		return Limits{}, fmt.Errorf("cannot tell the rights of process %d: %w", pid, err)
	}
	return l, nil
}

func limitsOf(pid int) (l Limits, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return l, err
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Uid", "Gid": // real, effective, saved, of files
			ids := parseList(value)
			if len(ids) != 4 {
				return l, fmt.Errorf("%s is %q", key, value)
			}
			if key == "Uid" {
				l.UID = ids[1]
			} else {
				l.GID = ids[1]
			}
			found++
		case "Groups":
			l.Groups = parseList(value)
			found++
		case "CapBnd":
			if l.Bounding, err = strconv.ParseUint(value, 16, 64); err != nil {
				return l, err
			}
			found++
		case "NoNewPrivs":
			l.NoNewPrivs = value == "1"
			found++
		}
	}
	if found != 5 {
		return l, fmt.Errorf("/proc/%d/status lacks some of them", pid)
	}
	return l, nil
}

// translate turns the ids of this process's user namespace into those of the other.
func (l *Limits) translate(pid int) error {
	inside := func(file string, ids ...*uint32) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if *id, err = mappedID(string(text), *id); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		return nil
	}
	setgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/setgroups", pid))
	if err != nil {
		return err
	}
	if l.KeepGroups = strings.TrimSpace(string(setgroups)) == "deny"; l.KeepGroups {
		l.Groups = nil
	}
	groups := []*uint32{&l.GID}
	for i := range l.Groups {
		groups = append(groups, &l.Groups[i])
	}
	if err := inside("uid_map", &l.UID); err != nil {
		return err
	}
	return inside("gid_map", groups...)
}

// mappedID looks an id up in a map of user_namespaces(7), from the outside.
func mappedID(text string, id uint32) (uint32, error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		f := parseList(lines.Text())
		if len(f) == 3 && id >= f[1] && id-f[1] < f[2] {
			return f[0] + id - f[1], nil
		}
	}
	return 0, fmt.Errorf("%d is nobody in there", id)
}

// Confine goes to a root directory and to a working directory and gives up every
// right beyond l, for the calling thread and what it starts. Its goroutine must be
// locked to it, and the thread must not share its working directory with others or
// be allowed to stop sharing it. After an error the process must not go on. One that
// is not root has no right that l lacks, and only goes to dir.
func (l Limits) Confine(root, dir *os.File) error {
	if err := l.confine(root, dir); err != nil {
		return fmt.Errorf("cannot be confined: %w", err)
	}
	return nil
}

func (l Limits) confine(root, dir *os.File) error {
	if err := leaveKeyring(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return os.NewSyscallError("fchdir", unix.Fchdir(int(dir.Fd())))
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Fchdir(int(root.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	if err := unix.Fchdir(int(dir.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	for capability := range 64 {
		if l.Bounding>>capability&1 != 0 {
			continue
		}
		// EINVAL: the kernel knows no more of them.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil && err != unix.EINVAL {
			return os.NewSyscallError("prctl", err)
		}
	}
	if l.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
	}
	return l.become()
}

// become sets the ids of this thread only: package syscall would set those of all,
// and the others may be in another user namespace.
func (l Limits) become() error {
	if !l.KeepGroups {
		var first unsafe.Pointer
		if len(l.Groups) > 0 {
			first = unsafe.Pointer(&l.Groups[0])
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(l.Groups)), uintptr(first), 0); errno != 0 {
			return os.NewSyscallError("setgroups", errno)
		}
	}
	gid, uid := uintptr(l.GID), uintptr(l.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return os.NewSyscallError("setresgid", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	// Other threads have all rights still. The kernel makes the memory unreadable for
	// that user, too, unless fs.suid_dumpable says otherwise.
	if err := conceal(); err != nil {
		return err
	}
	if l.UID != 0 {
		return nil // the kernel has taken all capabilities away
	}
	return l.limitRoot()
}

// leaveKeyring gives the calling thread a session keyring of its own, with nothing in
// it (session-keyring(7)). Where there can be no keys there is none to be found either.
func leaveKeyring() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // of no name: a new one
	if err == unix.ENOSYS || err == unix.EPERM {
		return nil
	}
	return os.NewSyscallError("keyctl", err)
}

// limitRoot takes what is beyond the bounding set out of the other sets.
func (l Limits) limitRoot() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for i := range sets {
		bound := uint32(l.Bounding >> (32 * i))
		sets[i].Effective &= bound
		sets[i].Permitted &= bound
		sets[i].Inheritable &= bound
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &sets[0]))
}
