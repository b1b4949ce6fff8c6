package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock has the permitted accesses of a process and its programs to files and ports (landlock(7)). A kind of
// access without a list is not restricted. A path includes everything below it; with - in front of it
// it may be missing.
type Landlock struct {
	Read    []string `json:"read,omitempty"`
	Write   []string `json:"write,omitempty"`
	Execute []string `json:"execute,omitempty"`
	// Bind are TCP ports to bind.
	Bind []uint16 `json:"bind,omitempty"`
}

// None reports whether nothing is restricted.
func (l Landlock) None() bool { return len(l.Read)+len(l.Write)+len(l.Execute)+len(l.Bind) == 0 }

// The accesses of a kind, and the version of landlock that knows all of them.
const (
	landRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landExecute = unix.LANDLOCK_ACCESS_FS_EXECUTE
	landMake    = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	landWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REFER | landMake
	// landFile are the accesses to a path that is no directory.
	landFile = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | landExecute
)

// landDevices may be read and written, and landKernel may be read, independent of the lists: programs do
// not start without them.
var landDevices, landKernel = []string{"-/dev/null", "-/dev/zero", "-/dev/full", "-/dev/random", "-/dev/urandom", "-/dev/tty"}, []string{"-/proc"}

// landPort is the kind of a rule for a port (LANDLOCK_RULE_NET_PORT), which x/sys does not have.
const landPort = 2

// LandlockError is the failure of one list.
type LandlockError struct {
	// Kind is read, write, execute or tcp-bind, and Value the element; empty: the whole list.
	Kind, Value string
	Err         error
}

func (e *LandlockError) Error() string { return e.Err.Error() }
func (e *LandlockError) Unwrap() error { return e.Err }

// landlockVersion returns the version of landlock (its ABI), or zero when the kernel has none.
func landlockVersion() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// kinds are the lists for files, with their accesses.
func (l Landlock) kinds() []landKind {
	return []landKind{
		{"read", l.Read, landRead, 1},
		{"execute", l.Execute, landExecute, 1},
		{"write", l.Write, landWrite, 3},
	}
}

type landKind struct {
	name   string
	paths  []string
	access uint64
	needs  int // the version
}

// Restrict restricts every thread of this process, and all programs that it executes later, for ever,
// after no_new_privs, which it also sets. Programs of ours, by their paths, can always be read and
// executed. Errors are of type *LandlockError where a list is the reason. After an error the process
// must not continue.
func (l Landlock) Restrict(own ...string) error {
	return l.restrict(own, NoNewPrivileges, func(ruleset uintptr) error { return inThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) })
}

// restrictThread is Restrict for the calling thread only, and the processes that it starts.
func (l Landlock) restrictThread() error {
	noNewPrivileges := func() error { return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) }
	return l.restrict(nil, noNewPrivileges, func(ruleset uintptr) error {
		if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
			return errno
		}
		return nil
	})
}

// restrict makes the rules, and puts them into effect by the two functions.
func (l Landlock) restrict(own []string, noNewPrivileges func() error, enforce func(ruleset uintptr) error) error {
	if l.None() {
		return nil
	}
	attributes, err := l.handled(landlockVersion())
	if err != nil {
		return err
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes), 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(fd))
	if err := l.rules(int(fd), attributes.fs, own); err != nil {
		return err
	}
	if err := noNewPrivileges(); err != nil {
		return err
	}
	if err := enforce(fd); err != nil {
		return fmt.Errorf("cannot restrict this process by landlock: %w", asThreads(err))
	}
	return nil
}

// landAttributes is struct landlock_ruleset_attr of version 4; earlier kernels accept it when the rest
// is zero.
type landAttributes struct{ fs, net uint64 }

// handled returns the kinds of access that the rules restrict.
func (l Landlock) handled(version int) (a landAttributes, err error) {
	check := func(kind string, needs int) error {
		switch {
		case version == 0:
			return &LandlockError{kind, "", errors.New("this kernel has no landlock (lsm=landlock,… on its command line)")}
		case version < needs:
			return &LandlockError{kind, "", fmt.Errorf("this kernel has version %d of landlock, and it needs %d", version, needs)}
		}
		return nil
	}
	for _, k := range l.kinds() {
		if len(k.paths) == 0 {
			continue
		}
		if err := check(k.name, k.needs); err != nil {
			return a, err
		}
		a.fs |= k.access
	}
	if len(l.Bind) > 0 {
		a.net = unix.LANDLOCK_ACCESS_NET_BIND_TCP
		err = check("tcp-bind", 4)
	}
	return a, err
}

// rules adds a rule for each element.
func (l Landlock) rules(ruleset int, handled uint64, own []string) error {
	for _, k := range l.kinds() {
		for _, path := range k.paths {
			if err := landPath(ruleset, path, k.access); err != nil {
				return &LandlockError{k.name, path, err}
			}
		}
	}
	for access, paths := range map[uint64][]string{landRead | landWrite: landDevices, landRead: landKernel, landRead | landExecute: own} {
		for _, path := range paths {
			if access &= handled; access == 0 {
				continue
			}
			if err := landPath(ruleset, path, access); err != nil {
				return err
			}
		}
	}
	for _, port := range l.Bind {
		rule := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_BIND_TCP, uint64(port)}
		if err := addLandRule(ruleset, landPort, unsafe.Pointer(&rule)); err != nil {
			return &LandlockError{"tcp-bind", fmt.Sprint(port), err}
		}
	}
	return nil
}

// landPath permits accesses below a path.
func landPath(ruleset int, path string, access uint64) error {
	path, optional := strings.CutPrefix(path, "-")
	if path == "" {
		return nil
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil && optional && errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= landFile
	}
	if access == 0 {
		return nil
	}
	var rule [12]byte // struct landlock_path_beneath_attr is packed
	binary.NativeEndian.PutUint64(rule[:], access)
	binary.NativeEndian.PutUint32(rule[8:], uint32(fd))
	return addLandRule(ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule))
}

func addLandRule(ruleset int, kind uintptr, rule unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), kind, uintptr(rule), 0, 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_add_rule", errno)
	}
	return nil
}
