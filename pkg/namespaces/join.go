package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Joining are namespaces of another process, which it has given out on its setns-socket. Close closes them.
type Joining struct {
	given []given
	// inRange reports whether a user is of a range of ids of vassals. Nil: there are none.
	inRange func(uid uint32) bool
}

// given is one of them.
type given struct {
	kind Flags
	file *os.File
}

// joinOrder is the order in which a thread enters them: the mounts last, because paths of the host are gone then.
var joinOrder = []Flags{NewCgroup, NewIPC, NewUTS, NewNet, NewPID, NewMount}

// mostGiven limits the descriptors of a message, as in uWSGI.
const mostGiven = 64

// TakeGiven asks at the unix socket of another process, such as a vassal or a uWSGI, for its namespaces (setns-socket of uWSGI), and
// waits for a limited time. Namespaces in which this process is are left out. The others must have been made by this process's user, or by one
// whose id is in a range of vassals: any user can make namespaces with root's rights in them (NS_GET_USERNS of ioctl_nsfs(2)). Nil: there are no
// ranges.
func TakeGiven(address string, wait time.Duration, inRange func(uid uint32) bool) (_ *Joining, err error) {
	files, err := receiveGiven(address, wait)
	j := &Joining{inRange: inRange}
	for _, f := range files {
		if err == nil {
			err = j.add(f)
		}
		if err != nil {
			f.Close()
		}
	}
	if err == nil && len(j.given) == 0 {
		err = errors.New("only namespaces of the host are given out there")
	}
	if err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// receiveGiven receives the message. The caller closes the files, also after an error.
func receiveGiven(address string, wait time.Duration) (files []*os.File, err error) {
	c, err := net.DialTimeout("unix", address, wait)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	text, control := make([]byte, 64), make([]byte, unix.CmsgSpace(mostGiven*4))
	n, m, _, _, err := c.(*net.UnixConn).ReadMsgUnix(text, control)
	if err != nil {
		return nil, fmt.Errorf("nothing is given out there: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil {
		return nil, err
	}
	for _, one := range messages {
		fds, _ := unix.ParseUnixRights(&one)
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "namespace"))
		}
	}
	count, is := strings.CutPrefix(string(text[:n]), setnsGreeting)
	if !is || len(count) != 4 || int(binary.NativeEndian.Uint32([]byte(count))) != len(files) {
		return files, errors.New("the process there is no setns-socket")
	}
	return files, nil
}

// add takes over a descriptor of another process, if it is a namespace in which this process is not.
func (j *Joining) add(f *os.File) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type != unix.NSFS_MAGIC { // before any ioctl
		return errors.New("a descriptor from there is no namespace")
	}
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil {
		return os.NewSyscallError("ioctl", err)
	}
	own, err := isOwn(f, Flags(kind))
	if err != nil {
		return err
	}
	if own {
		return f.Close()
	}
	for _, g := range j.given { // uWSGI also gives out pid_for_children
		if g.kind == Flags(kind) {
			if !sameFile(g.file, f) {
				return fmt.Errorf("two %s namespaces are given out there", g.kind)
			}
			return f.Close()
		}
	}
	if threadless.Has(Flags(kind)) {
		return fmt.Errorf("no vassal can join a %s namespace (setns-socket-skip = %s there)", Flags(kind), Flags(kind))
	}
	if err := j.madeByUs(f, Flags(kind)); err != nil {
		return err
	}
	j.given = append(j.given, given{Flags(kind), f})
	return nil
}

// isOwn reports whether this process is in a namespace.
func isOwn(f *os.File, kind Flags) (bool, error) {
	ours, err := PID(os.Getpid()).OpenNamespace(kind)
	if err != nil {
		return false, err
	}
	defer ours.Close()
	return sameFile(ours, f), nil
}

// madeByUs fails unless a namespace belongs to the user namespace of this process, or to one in that which its user or a vassal's range owns.
func (j *Joining) madeByUs(f *os.File, kind Flags) error {
	fd, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return fmt.Errorf("its %s namespace belongs to another user namespace: %w", kind, err)
	}
	owner := os.NewFile(uintptr(fd), "user namespace")
	defer owner.Close()
	if own, err := isOwn(owner, NewUser); own || err != nil {
		return err
	}
	uid, err := ownerOf(fd)
	if err != nil {
		return err
	}
	if uid != uint32(os.Geteuid()) && (j.inRange == nil || !j.inRange(uid)) {
		return fmt.Errorf("its %s namespace was made by uid %d", kind, uid)
	}
	parent, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
	if err != nil {
		return os.NewSyscallError("ioctl", err)
	}
	above := os.NewFile(uintptr(parent), "user namespace")
	defer above.Close()
	if own, err := isOwn(above, NewUser); !own || err != nil {
		return fmt.Errorf("its %s namespace belongs to a user namespace of another one", kind)
	}
	return nil
}

// ownerOf returns the user who made a user namespace.
func ownerOf(userns int) (uint32, error) {
	uid, err := unix.IoctlGetUint32(userns, unix.NS_GET_OWNER_UID)
	return uid, os.NewSyscallError("ioctl", err)
}

// Kinds are the kinds of the namespaces.
func (j *Joining) Kinds() (f Flags) {
	for _, g := range j.given {
		f |= g.kind
	}
	return f
}

// Without closes the namespaces of some kinds.
func (j *Joining) Without(kinds Flags) {
	var rest []given
	for _, g := range j.given {
		if kinds.Has(g.kind) {
			g.file.Close()
			continue
		}
		rest = append(rest, g)
	}
	j.given = rest
}

// Close closes the namespaces.
func (j *Joining) Close() { j.Without(^Flags(0)) }

// enter moves the calling thread into the namespaces. Its working directory is the root directory of the host then, from which
// relative paths still lead to files of the host.
func (j *Joining) enter() error {
	outside, err := os.Open("/")
	if err != nil {
		return err
	}
	defer outside.Close()
	for _, kind := range joinOrder {
		for _, g := range j.given {
			if g.kind != kind {
				continue
			}
			if err := enter(kind, g.file); err != nil {
				return err
			}
		}
	}
	return os.NewSyscallError("fchdir", unix.Fchdir(int(outside.Fd())))
}

// NewSpawnerJoining returns a Spawner whose processes are in the namespaces, as NewSpawnerIn. With a mount namespace their programs
// must be descriptors of this process (/proc/self/fd/N), and they begin in the root directory of the host, which they leave by
// LeaveHost.
func NewSpawnerJoining(j *Joining) (*Spawner, error) {
	s, err := prepared(j.enter)
	if err == nil {
		s.joins = j.Kinds()
	}
	return s, err
}

// joined returns the command for a thread with other namespaces of those kinds. In another pid namespace the child does not find its parent,
// and would take it for dead: it ties itself to that.
func (c Command) joined(kinds Flags) (Command, error) {
	if kinds.Has(NewPID) && !c.Namespaces.Has(NewPID) {
		c.Deathsig = 0
	}
	if !kinds.Has(NewMount) {
		return c, nil
	}
	return c.relocated()
}

// relocated returns a command for a thread in other mounts: its path leads to the descriptor of this process, whatever /proc is there.
func (c Command) relocated() (Command, error) {
	if !strings.HasPrefix(c.Path, "/proc/self/fd/") {
		return c, fmt.Errorf("a program that joins other mounts must be held open: %q", c.Path)
	}
	c.Path, c.Dir = strings.TrimPrefix(c.Path, "/"), ""
	return c, nil
}

// LeaveHost enters a directory, or else the root directory, if the working directory of this process is outside of its root directory.
func LeaveHost(dir string) error {
	var text [unix.PathMax]byte
	if n, err := unix.Getcwd(text[:]); err == nil && n > 0 && text[0] == '/' || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if unix.Chdir(dir) == nil {
		return nil
	}
	return os.NewSyscallError("chdir", unix.Chdir("/"))
}
