package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Limits are the rights of one process, as an upper bound for another process.
type Limits struct {
	UID, GID uint32
	Groups   []uint32
	// KeepGroups: the process's user namespace does not allow changes of groups.
	KeepGroups bool
	// The sets of capabilities, one bit each (capabilities(7)).
	Inheritable, Permitted, Effective, Bounding, Ambient uint64
	// NoNewPrivs: no execve gives more rights (PR_SET_NO_NEW_PRIVS).
	NoNewPrivs bool
	// Filtered: it has more filters of system calls than the process that reads this. A confined
	// process gets the default filter then, because the kernel shows no filter.
	Filtered bool
	// Landlocks are its restrictions, which the kernel does not show: LimitsOf leaves them out.
	Landlocks []Landlock `json:",omitempty"`
	// Resources are the limits of setrlimit(2), by resource. Empty: none.
	Resources []unix.Rlimit
}

// LimitsOf reads the limits of a process from /proc. With mapped, it returns the ids as they are in the
// process's user namespace, and an id without a mapping is an error. It also returns an error when the process
// runs a program that got rights from its file, such as the set-user-id bit. Those are not the rights of the
// user who runs it, and the program may have given itself all of them.
func LimitsOf(pid int, mapped bool) (Limits, error) {
	l, err := limitsOf(pid)
	if err == nil { // after the rights were read: the process may have executed another program in the meantime
		err = gainsNothing(pid)
	}
	if err == nil && mapped {
		err = l.translate(pid)
	}
	if err != nil {
		return Limits{}, fmt.Errorf("cannot read the rights of process %d: %w", pid, err)
	}
	return l, nil
}

func limitsOf(pid int) (l Limits, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return l, err
	}
	differ := false
	fields := map[string]func(value string) error{
		"Uid": own(&l.UID, &differ), "Gid": own(&l.GID, &differ),
		"Groups": func(value string) error { l.Groups = parseList(value); return nil },
		"CapInh": bits(&l.Inheritable), "CapPrm": bits(&l.Permitted), "CapEff": bits(&l.Effective),
		"CapBnd": bits(&l.Bounding), "CapAmb": bits(&l.Ambient),
		"NoNewPrivs": func(value string) error { l.NoNewPrivs = value == "1"; return nil },
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		read, ok := fields[key]
		if !ok {
			continue
		}
		if err := read(strings.TrimSpace(value)); err != nil {
			return l, fmt.Errorf("%s: %w", key, err)
		}
		delete(fields, key)
	}
	if len(fields) > 0 {
		return l, fmt.Errorf("/proc/%d/status lacks some of them", pid)
	}
	theirs, err := filtersOf(pid)
	if err != nil {
		return l, err
	}
	ours, err := filtersOf(os.Getpid())
	if err != nil {
		return l, err
	}
	l.Filtered = theirs > ours
	if l.Resources, err = resourcesOf(pid); err != nil {
		return l, err
	}
	if differ && l.UID != 0 { // the capabilities belong to another of its ids
		l.Inheritable, l.Permitted, l.Effective, l.Ambient = 0, 0, 0, 0
	}
	return l, nil
}

// own parses four ids: real, effective, saved and file system. When they differ it uses the
// real one, or another one instead of root.
func own(into *uint32, differ *bool) func(string) error {
	return func(value string) error {
		ids := parseList(value)
		if len(ids) != 4 {
			return fmt.Errorf("%q are not four ids", value)
		}
		*into = ids[0]
		for _, id := range ids {
			if *into == 0 {
				*into = id
			}
			*differ = *differ || id != ids[0]
		}
		return nil
	}
}

const (
	// execTime limits the wait for the end of an execve, and execPause is the interval between
	// two reads in this time: the kernel reports no such event to another process.
	execTime  = time.Second
	execPause = time.Millisecond
)

// gainsNothing returns an error when the auxiliary vector of a process shows that its execve
// gave it rights (AT_SECURE of getauxval(3)). In an execve the auxiliary vector is empty or
// incomplete until the kernel has mapped the new program (fs/binfmt_elf.c, create_elf_tables):
// gainsNothing waits for that.
func gainsNothing(pid int) error {
	for last := time.Now().Add(execTime); ; <-time.After(execPause) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
		if err != nil {
			return err
		}
		secure, ok := auxiliary(text, 8)
		if !ok { // a 32-bit program
			secure, ok = auxiliary(text, 4)
		}
		switch {
		case ok && secure != 0:
			return errors.New("it runs a program with rights of its file (set-user-id)")
		case ok:
			return nil
		case len(text) == 0 || time.Now().After(last): // a dead process has none at all
			return errors.New("it has no auxiliary vector")
		}
	}
}

// auxiliary finds AT_SECURE in an auxiliary vector (proc_pid_auxv(5)). ok is false when the
// vector, read in words of size bytes, contains no page size: its words have another size. It
// is also false without AT_EXECFN, which the kernel writes after AT_SECURE.
func auxiliary(vector []byte, size int) (secure uint64, ok bool) {
	const end, pageSize, wanted, later = 0, 6, 23, 31
	word := func(b []byte) uint64 {
		if size == 4 {
			return uint64(binary.NativeEndian.Uint32(b))
		}
		return binary.NativeEndian.Uint64(b)
	}
	there, sized, complete := false, false, false
	for ; len(vector) >= 2*size && word(vector) != end; vector = vector[2*size:] {
		switch value := word(vector[size:]); word(vector) {
		case pageSize:
			sized = value == uint64(os.Getpagesize())
		case wanted:
			secure, there = value, true
		case later:
			complete = true
		}
	}
	return secure, there && sized && complete
}

func bits(into *uint64) func(string) error {
	return func(value string) (err error) {
		*into, err = strconv.ParseUint(value, 16, 64)
		return err
	}
}

// translate converts the ids of this process's user namespace to ids of the process's.
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

// mappedID looks up an outside id in a map of user_namespaces(7).
func mappedID(text string, id uint32) (uint32, error) {
	for _, m := range parseIDMap(text) {
		if d := int(id) - m.HostID; d >= 0 && d < m.Size {
			return uint32(m.ContainerID + d), nil //nolint:gosec // the kernel's ids have 32 bits
		}
	}
	return 0, fmt.Errorf("id %d is not mapped in the user namespace", id)
}

// Confine gives up every right beyond l, for the calling thread and the processes that it
// starts. Its goroutine must be locked to the thread. A program that the thread executes has
// the rights of a program of the confining process. After an error the process must not
// continue. A thread that is not root has no right that l lacks.
func (l Limits) Confine() error {
	if err := l.confine(); err != nil {
		return fmt.Errorf("cannot be confined: %w", err)
	}
	return nil
}

func (l Limits) confine() error {
	if err := leaveKeyring(); err != nil {
		return err
	}
	if err := adoptResources(l.Resources, false); err != nil {
		return err
	}
	if l.NoNewPrivs { // also for a user: a set-user-id program would have rights that l lacks
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
	}
	if os.Geteuid() != 0 {
		return l.last()
	}
	for capability := range 64 {
		if l.Bounding>>capability&1 != 0 {
			continue
		}
		// EINVAL: the last capability that the kernel knows has been passed.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil && err != unix.EINVAL {
			return os.NewSyscallError("prctl", err)
		}
	}
	if err := l.become(); err != nil {
		return err
	}
	// Other threads still have all rights. The kernel also makes the memory unreadable for
	// that user, unless fs.suid_dumpable allows others.
	if err := conceal(); err != nil {
		return err
	}
	if err := l.limit(); err != nil {
		return err
	}
	return l.last()
}

// last gives up the rest, immediately before execve.
func (l Limits) last() error {
	for _, one := range l.Landlocks {
		if err := one.restrictThread(); err != nil {
			return err
		}
	}
	if l.Filtered {
		if err := load(DefaultFilter().program(), 0); err != nil {
			return fmt.Errorf("cannot load the filter of system calls: %w", err)
		}
	}
	return adoptResources(l.Resources, true)
}

// become sets the ids of this thread only. Package syscall would set the ids of all threads,
// and those may be in another user namespace. The thread may keep capabilities, which limit
// then reduces.
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
	keep := uintptr(0)
	if l.Permitted != 0 {
		keep = 1
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, keep, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	gid, uid := uintptr(l.GID), uintptr(l.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return os.NewSyscallError("setresgid", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	return nil
}

// limit reduces the thread's capabilities to the capabilities of l.
func (l Limits) limit() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for i := range sets {
		part := func(set uint64) uint32 { return uint32(set >> (32 * i)) }
		permitted := sets[i].Permitted & part(l.Permitted)
		sets[i].Effective = permitted & part(l.Effective)
		sets[i].Inheritable = (sets[i].Inheritable | permitted) & part(l.Inheritable)
		sets[i].Permitted = permitted
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	for capability := range 64 {
		if l.Ambient>>capability&1 == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(capability), 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
	}
	return nil
}
