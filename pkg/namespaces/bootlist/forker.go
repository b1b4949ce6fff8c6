package bootlist

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// answerTime is the longest wait for an answer. The process that forks does nothing that takes
// long: it has been stopped, or cannot run.
const answerTime = 10 * time.Second

// Forker starts processes by their lists. It has a process that forks them, which it starts at
// first use and again when that has died. The processes are children of this process, and their
// parent for a death signal is the thread of the Spawner.
type Forker struct {
	// Spawner starts the process that forks, and talks to it. Required.
	Spawner *namespaces.Spawner
	// Program is the program that calls Serve under the name ServerName. Required.
	Program string

	mu     sync.Mutex
	server *namespaces.Process
	socket *os.File
}

// ErrNoServer is wrapped by errors when no child was made: the process that forks cannot be started,
// has died, or cannot fork as is needed on this machine.
var ErrNoServer = errors.New("the process that forks does not run")

// Start makes a child in new namespaces, and in a cgroup if its descriptor is above zero, and
// returns when it exists: it then carries out the list. Namespaces do not include user and time.
func (f *Forker) Start(l *List, made namespaces.Flags, cgroup int) (*namespaces.Process, error) {
	message, err := l.encode(made, cgroup > 0)
	if err != nil {
		return nil, err
	}
	var rights []int
	for _, file := range l.Files {
		rights = append(rights, int(file.Fd()))
	}
	if cgroup > 0 {
		rights = append(rights, cgroup)
	}
	defer runtime.KeepAlive(l.Files)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ensure(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	var p *namespaces.Process
	f.Spawner.Run(func() { p, err = f.ask(message, rights) })
	return p, err
}

// Close ends the process that forks. Its children live on.
func (f *Forker) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
}

// end ends the server, if there is one, and returns when it is gone.
func (f *Forker) end() {
	if f.server == nil {
		return
	}
	f.socket.Close()
	_ = f.server.Signal(syscall.SIGKILL)
	_, _ = f.server.Wait()
	f.server.Close()
	f.server, f.socket = nil, nil
}

// ensure starts the server unless it runs.
func (f *Forker) ensure() error {
	if f.server != nil && !f.server.Dead() {
		return nil
	}
	f.end()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	socket, theirs := os.NewFile(uintptr(pair[0]), "forker"), os.NewFile(uintptr(pair[1]), "forker's")
	defer theirs.Close()
	limit := unix.NsecToTimeval(answerTime.Nanoseconds())
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil {
		defer null.Close()
		err = unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	}
	if err == nil {
		f.server, err = f.Spawner.Start(namespaces.Command{
			Path: f.Program, Args: []string{ServerName}, Env: []string{"GOMAXPROCS=1", "GOGC=off"}, Dir: "/",
			Files: []*os.File{null, null, os.Stderr, theirs}, Deathsig: syscall.SIGKILL,
		})
	}
	if err != nil {
		socket.Close()
		return err
	}
	f.socket = socket
	return nil
}

// ask sends a request and receives the answer. After an error there may be a child that nobody
// holds: the caller closes its own ends of the descriptors that the child has, which ends it.
func (f *Forker) ask(message []byte, rights []int) (*namespaces.Process, error) {
	fd := int(f.socket.Fd())
	if err := unix.Sendmsg(fd, message, unix.UnixRights(rights...), nil, unix.MSG_NOSIGNAL); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	var a answer
	control := make([]byte, unix.CmsgSpace(4))
	n, used, err := receive(fd, unsafe.Slice((*byte)(unsafe.Pointer(&a)), answerSize), control)
	if err == nil && n != int(answerSize) {
		err = errors.New("it has ended")
	}
	if err != nil {
		_ = f.server.Signal(syscall.SIGKILL)
		return nil, fmt.Errorf("the process that forks gave no answer: %w", err)
	}
	switch {
	case a.errno == unix.ENOSYS, a.errno == unix.EINVAL: // an old kernel, or a filter of system calls
		return nil, fmt.Errorf("%w: %w", ErrNoServer, os.NewSyscallError("clone3", a.errno))
	case a.errno != 0:
		return nil, a.errno
	}
	fds, err := descriptors(control[:used])
	if err != nil || len(fds) != 1 {
		closeAll(fds)
		return nil, errors.New("the process that forks sent no pidfd")
	}
	return namespaces.Hold(int(a.pid), fds[0])
}
