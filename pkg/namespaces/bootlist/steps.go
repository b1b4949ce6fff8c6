package bootlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// errUnexpected is the error of a call that succeeded without the effect that it is there for.
var errUnexpected = errors.New("the kernel shows another result afterwards")

// because returns the usual message of a failure.
func because(format string, args ...any) func(error) error {
	return func(err error) error { return fmt.Errorf(format+": %w", append(args, err)...) }
}

// Seal keeps all descriptors except stdio from the program.
func (l *List) Seal() {
	l.add(because("cannot mark descriptors close-on-exec"), succeeds, unix.SYS_CLOSE_RANGE, number(3), number(^uint32(0)), number(unix.CLOSE_RANGE_CLOEXEC))
}

// Keep passes a sealed descriptor on to the program.
func (l *List) Keep(fd int) {
	l.add(because("cannot pass on a descriptor"), succeeds, unix.SYS_FCNTL, number(fd), number(unix.F_SETFD), number(0))
}

// Session makes the child the leader of a session of its own.
func (l *List) Session() { l.add(because("cannot make a session"), succeeds, unix.SYS_SETSID) }

// Deathsig makes the kernel send a signal to the child when its parent dies. A change of ids
// clears it (prctl(2), PR_SET_PDEATHSIG).
func (l *List) Deathsig(s syscall.Signal) {
	l.add(because("cannot tie this process to the emperor"), succeeds, unix.SYS_PRCTL, number(unix.PR_SET_PDEATHSIG), number(int(s)))
}

// Keyring gives the child a new, empty session keyring, which no other process can join.
func (l *List) Keyring() {
	l.add(because("cannot make a session keyring"), succeeds, unix.SYS_KEYCTL, number(unix.KEYCTL_JOIN_SESSION_KEYRING), number(0))
}

// Send sends a message over a socket. A peer that is gone is no failure.
func (l *List) Send(fd int, message []byte) {
	l.add(nil, attempt, unix.SYS_SENDTO, number(fd), l.bytes(message), number(len(message)), number(unix.MSG_NOSIGNAL))
}

// Park blocks until the peer of a socket sends a message. When the peer closes the socket instead,
// the child ends.
func (l *List) Park(fd int) {
	room := l.bytes(make([]byte, 8))
	l.add(nil, delivers, unix.SYS_RECVFROM, number(fd), room, number(8), number(0))
}

// Heed ends the child when the peer of a socket has closed it, or has sent a message.
func (l *List) Heed(fd int) {
	room := l.bytes(make([]byte, 8))
	l.add(nil, waits, unix.SYS_RECVFROM, number(fd), room, number(8), number(unix.MSG_PEEK|unix.MSG_DONTWAIT))
}

// Mounts is namespaces.PrepareMounts.
func (l *List) Mounts(made namespaces.Flags) {
	if !made.Has(namespaces.NewMount) {
		return
	}
	l.add(namespaces.CannotMakeSlaves, succeeds, unix.SYS_MOUNT, l.text(""), l.text("/"), number(0), number(unix.MS_REC|unix.MS_SLAVE))
	if made.Has(namespaces.NewNet) {
		l.sys(made.Has(namespaces.NewCgroup))
	}
	if !made.Has(namespaces.NewPID) {
		return
	}
	proc, path := l.text("proc"), l.text("/proc")
	l.add(because("cannot mount /proc"), succeeds, unix.SYS_MOUNT, proc, path, proc, number(unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC))
	l.checkProc(path)
	hide(l, "/proc/acpi", "/proc/asound", "/proc/scsi")
}

// viewFlags are mount flags of kernel file systems that only show.
const viewFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY

// sys mounts a read-only sysfs of the child's network, with the cgroups as they were, or the cgroups of its own namespace. The files that
// root alone could use are not hidden: the program is not root.
func (l *List) sys(cgroups bool) {
	path, at, kept := l.text("/sys"), l.text("/sys/fs/cgroup"), l.text("/proc") // which has its own mount later
	if !cgroups {
		l.add(nil, unless, unix.SYS_MOUNT, at, kept, number(0), number(unix.MS_MOVE)).skip = 1
		l.add(nil, attempt, unix.SYS_MOUNT, at, kept, number(0), number(unix.MS_BIND|unix.MS_REC))
	}
	kind := l.text("sysfs")
	l.add(because("cannot mount /sys"), succeeds, unix.SYS_MOUNT, kind, path, kind, number(viewFlags))
	if cgroups {
		group := l.text("cgroup2")
		l.add(nil, attempt, unix.SYS_MOUNT, group, at, group, number(viewFlags))
	} else {
		l.add(nil, attempt, unix.SYS_MOUNT, kept, at, number(0), number(unix.MS_MOVE))
	}
	l.mask = l.text("/sys/firmware") // which every sysfs has
	l.empty(l.mask, succeeds)
}

// hide mounts an empty directory without permissions on directories. Missing ones are left out.
func hide(l *List, paths ...string) {
	for _, path := range paths {
		c := l.empty(l.text(path), unless)
		c.result = uint64(unix.ENOENT)
	}
}

// empty mounts the first directory that it has made on a directory, or a new one.
func (l *List) empty(at arg, d demand) *call {
	why := because("cannot hide a file of the kernel")
	if l.mask != (arg{}) && l.mask != at {
		return l.add(why, d, unix.SYS_MOUNT, l.mask, at, number(0), number(unix.MS_BIND))
	}
	kind := l.text("tmpfs")
	return l.add(why, d, unix.SYS_MOUNT, kind, at, kind, number(viewFlags), l.text("mode=0,size=4k"))
}

// Bind mounts a file read-only on another one, if the first one exists when the child comes to it. Only root may change the
// files of both paths.
func (l *List) Bind(source, target string) {
	from, at, flags := l.text(source), l.text(target), number(unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_REMOUNT)
	why := because("cannot mount %q on %q", source, target)
	found := l.add(why, unless, unix.SYS_FACCESSAT2, number(atCwd), from, number(unix.F_OK), number(0))
	found.result, found.skip = uint64(unix.ENOENT), 1
	l.add(nil, unless, unix.SYS_GETPID).skip = 3 // it is missing
	l.add(why, succeeds, unix.SYS_MOUNT, from, at, number(0), number(unix.MS_BIND))
	l.add(why, succeeds, unix.SYS_MOUNT, number(0), at, number(0), flags)
	l.add(why, refused, unix.SYS_FACCESSAT2, number(atCwd), at, number(unix.W_OK), number(0)).result = uint64(unix.EROFS)
}

// checkProc checks that /proc is procfs, and shows the child as the first process of its namespace.
func (l *List) checkProc(path arg) {
	status := l.bytes(make([]byte, statfsSize))
	magic := binary.NativeEndian.AppendUint64(nil, unix.PROC_SUPER_MAGIC) // f_type of statfs(2)
	l.compare(l.add(because("cannot check /proc"), succeeds, unix.SYS_STATFS, path, status), status, 0, magic)
	self := l.bytes(make([]byte, 8))
	c := l.add(because("cannot mount /proc: it shows another process as this one"), returns, unix.SYS_READLINKAT, number(atCwd),
		l.text("/proc/self"), self, number(8))
	c.result = 1
	l.compare(c, self, 0, []byte("1"))
}

// statfsSize is the room for a struct statfs.
const statfsSize = 256

// Become is namespaces.Credentials.Apply, with its check by other calls: the child has one thread
// and need not read /proc. It keeps no capability that this process does not have.
func (l *List) Become(c namespaces.Credentials) {
	l.BecomeAs(c, func(err error) error { return err })
}

// BecomeAs is Become with words around its errors.
func (l *List) BecomeAs(c namespaces.Credentials, blame func(error) error) {
	first := len(l.whys)
	become(l, c)
	for i, why := range l.whys[first:] {
		if why != nil {
			l.whys[first+i] = func(err error) error { return blame(why(err)) }
		}
	}
}

func become(l *List, c namespaces.Credentials) {
	c.Groups = slices.Compact(slices.Sorted(slices.Values(c.Groups))) // as the kernel returns them
	groups := make([]byte, 4*max(1, len(c.Groups)))
	for i, g := range c.Groups {
		binary.NativeEndian.PutUint32(groups[4*i:], g)
	}
	uid, gid := number(c.UID), number(c.GID)
	l.add(because("cannot set groups %v", c.Groups), succeeds, unix.SYS_SETGROUPS, number(len(c.Groups)), l.bytes(groups))
	if c.Keep != nil {
		retain(l, *c.Keep)
	}
	l.add(because("cannot set gid %d", c.GID), succeeds, unix.SYS_SETRESGID, gid, gid, gid)
	l.add(because("cannot set uid %d", c.UID), succeeds, unix.SYS_SETRESUID, uid, uid, uid)
	if c.Keep != nil {
		keep(l, *c.Keep)
	}
	l.add(nil, succeeds, unix.SYS_PRCTL, number(unix.PR_SET_DUMPABLE), number(0))
	l.verify(c, groups[:4*len(c.Groups)])
}

// verify reads ids, groups and capabilities back. Ambient capabilities are permitted ones.
func (l *List) verify(c namespaces.Credentials, groups []byte) {
	why := because("cannot verify credentials")
	for _, x := range []struct {
		call uintptr
		id   uint32
	}{{unix.SYS_GETRESUID, c.UID}, {unix.SYS_GETRESGID, c.GID}} {
		var three []byte
		room := l.bytes(make([]byte, 16))
		for range 3 {
			three = binary.NativeEndian.AppendUint32(three, x.id)
		}
		at := func(i uint64) arg { return arg{room.value + 4*i, true} }
		l.compare(l.add(why, succeeds, x.call, at(0), at(1), at(2)), room, 0, three)
	}
	room := l.bytes(make([]byte, len(groups)+8))
	had := l.add(why, returns, unix.SYS_GETGROUPS, number(len(c.Groups)+1), room)
	had.result = uint64(len(c.Groups))
	l.compare(had, room, 0, groups)
	if c.UID == 0 {
		return
	}
	sets := l.bytes(make([]byte, capabilityWords*capabilityWord))
	var kept namespaces.Capabilities
	if c.Keep != nil {
		kept = *c.Keep
	}
	for half, s := range kept.Kept() {
		both := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, s.Effective), s.Permitted)
		l.compare(l.readCapabilities(why, sets), sets, half*capabilityWord, both)
	}
}

// NoNewPrivileges is namespaces.NoNewPrivileges.
func (l *List) NoNewPrivileges(blame func(error) error) {
	why := func(err error) error { return blame(fmt.Errorf("cannot give up new privileges: %w", err)) }
	l.add(why, succeeds, unix.SYS_PRCTL, number(unix.PR_SET_NO_NEW_PRIVS), number(1))
	l.add(why, returns, unix.SYS_PRCTL, number(unix.PR_GET_NO_NEW_PRIVS)).result = 1
}

// Resource is namespaces.SetResource.
func (l *List) Resource(resource int, soft, hard uint64, blame func(error) error) {
	want := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, soft), hard)
	room := l.bytes(make([]byte, len(want)))
	why := func(err error) error {
		return blame(fmt.Errorf("cannot set the limit to %s: %w", namespaces.FormatLimit(soft, hard), err))
	}
	l.add(why, succeeds, unix.SYS_PRLIMIT64, number(0), number(resource), l.bytes(want), number(0))
	l.compare(l.add(why, succeeds, unix.SYS_PRLIMIT64, number(0), number(resource), number(0), room), room, 0, want)
}

// Umask sets the mask of new files.
func (l *List) Umask(mask int) { l.add(nil, attempt, unix.SYS_UMASK, number(mask)) }

// Enter changes the working directory.
func (l *List) Enter(dir string, why func(error) error) {
	l.add(why, succeeds, unix.SYS_CHDIR, l.text(dir))
}

// MayExecute fails unless the child's user may execute a file.
func (l *List) MayExecute(path string, why func(error) error) {
	l.add(why, succeeds, unix.SYS_FACCESSAT2, number(atCwd), l.text(path), number(unix.X_OK), number(unix.AT_EACCESS))
}

// atCwd is for paths that start in the working directory.
var atCwd = unix.AT_FDCWD

// Exec executes a program, with no signal blocked. It is the last call.
func (l *List) Exec(path string, argv, env []string, why func(error) error) {
	l.unblock()
	l.add(why, succeeds, unix.SYS_EXECVE, l.text(path), l.texts(argv), l.texts(env))
}

// ExecOpen is Exec for the program behind a descriptor, which may be sealed.
func (l *List) ExecOpen(fd int, argv, env []string, why func(error) error) {
	l.unblock()
	l.add(why, succeeds, unix.SYS_EXECVEAT, number(fd), l.text(""), l.texts(argv), l.texts(env), number(unix.AT_EMPTY_PATH))
}

// unblock unblocks all signals.
func (l *List) unblock() {
	l.add(nil, attempt, unix.SYS_RT_SIGPROCMASK, number(unix.SIG_SETMASK), l.bytes(make([]byte, 8)), number(0), number(8))
}
