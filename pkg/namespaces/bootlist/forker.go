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

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// answerTime is the longest wait for an answer. The process that forks does nothing that takes
	// long: it has been stopped, or cannot run.
	answerTime = time.Second
	// deathTime is the longest wait for the end of a killed process.
	deathTime = 5 * time.Second
)

// Forker starts processes by their lists. It has a process that forks them, which it starts at
// first use and again when that has died. The processes are children of this process, and their
// parent for a death signal is the thread of the Spawner.
type Forker struct {
	// Spawner starts the process that forks. Required.
	Spawner *namespaces.Spawner
	// Program is the program that calls Serve under the name ServerName. Required.
	Program string
	// Keyring gives the process that forks a session keyring of its own.
	Keyring bool

	mu     sync.Mutex
	server *namespaces.Process
	socket *os.File
	last   *slot // the child without an answer yet
	stuck  bool  // a server was killed and does not end
}

// ErrNoServer is wrapped by errors when there is no child: the process that forks cannot be started,
// has died or did not answer, or cannot fork as is needed on this machine.
var ErrNoServer = errors.New("the process that forks does not run")

// Start makes a child in new namespaces, and in a cgroup if its descriptor is above zero, and
// returns when it exists: it then carries out the list. Namespaces do not include user and time.
// After an error there is no child.
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
	p, answered, err := f.ask(message, rights)
	if answered {
		return p, err
	}
	if end := f.end(); end != nil {
		return nil, errors.Join(err, end)
	}
	return nil, fmt.Errorf("%w: %w", ErrNoServer, err)
}

// Close ends the process that forks. Its children live on.
func (f *Forker) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.end()
}

// end ends the server, if there is one, and a child for which it gave no answer. Both are gone
// when end returns without an error.
func (f *Forker) end() error {
	if f.server == nil {
		return nil
	}
	server, last := f.server, f.last
	f.socket.Close()
	f.server, f.socket, f.last = nil, nil, nil
	_ = server.Signal(syscall.SIGKILL)
	ended := make(chan error, 1)
	go func() {
		_, err := server.Wait()
		server.Close()
		if pid := last.take(); err == nil && pid != 0 {
			err = discard(pid)
		}
		last.close()
		ended <- err
	}()
	timer := time.NewTimer(deathTime)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		f.stuck = true
		return errStuck
	}
}

// errStuck is the reason for which no list is started any more.
var errStuck = errors.New("it was killed and does not end")

// discard kills a child that no other code knows, and returns when it is reaped.
func discard(pid int) (err error) {
	if pid <= 1 {
		return fmt.Errorf("process %d is no child", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("cannot kill process %d: %w", pid, err)
	}
	namespaces.Bounded(func() {
		for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
			_, err = syscall.Wait4(pid, nil, 0, nil)
		}
	})
	return err
}

// ensure starts the server unless it runs.
func (f *Forker) ensure() error {
	if f.server != nil && !f.server.Dead() {
		return nil
	}
	if err := f.end(); err != nil {
		return err
	}
	if f.stuck {
		return errStuck
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	err = unix.SetNonblock(pair[0], true) // before NewFile: in the runtime's poller a wait takes no thread
	socket, theirs := os.NewFile(uintptr(pair[0]), "forker"), os.NewFile(uintptr(pair[1]), "forker's")
	defer theirs.Close()
	if err == nil {
		err = f.begin(theirs)
	}
	if err != nil {
		socket.Close()
		return err
	}
	f.socket = socket
	return nil
}

// begin starts the server with its end of the socket.
func (f *Forker) begin(theirs *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	last, file, err := newSlot()
	if err != nil {
		return err
	}
	defer file.Close()
	// A small heap keeps a fork cheap.
	f.server, err = f.Spawner.Start(namespaces.Command{
		Path: f.Program, Args: []string{ServerName}, Env: goprocs.Idle([]string{"GOGC=10"}), Dir: "/",
		Files: []*os.File{null, null, os.Stderr, theirs, file}, Deathsig: syscall.SIGKILL, Keyring: f.Keyring,
	})
	if err != nil {
		f.server = nil
		last.close()
		return err
	}
	f.last = last
	return nil
}

// ask sends a request and receives the answer. Without an answer there may be a child, in the
// slot. After an error with an answer there is none.
func (f *Forker) ask(message []byte, rights []int) (p *namespaces.Process, answered bool, err error) {
	raw, err := f.socket.SyscallConn()
	if err == nil {
		err = f.socket.SetDeadline(time.Now().Add(answerTime))
	}
	if err != nil {
		return nil, false, err
	}
	wait := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), message, unix.UnixRights(rights...), nil, unix.MSG_NOSIGNAL)
		return !errors.Is(err, unix.EAGAIN)
	})
	if err = errors.Join(wait, err); err != nil {
		return nil, false, os.NewSyscallError("sendmsg", err)
	}
	var a answer
	control := make([]byte, unix.CmsgSpace(4))
	n, used := 0, 0
	wait = raw.Read(func(fd uintptr) bool {
		n, used, err = receive(int(fd), unsafe.Slice((*byte)(unsafe.Pointer(&a)), answerSize), control)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch err = errors.Join(wait, err); {
	case err != nil:
		return nil, false, fmt.Errorf("it gave no answer: %w", err)
	case n != int(answerSize):
		return nil, false, errors.New("it has ended")
	case a.errno == unix.ENOSYS, a.errno == unix.EINVAL: // an old kernel, or a filter of system calls
		return nil, true, fmt.Errorf("%w: %w", ErrNoServer, os.NewSyscallError("clone3", a.errno))
	case a.errno != 0:
		return nil, true, a.errno
	}
	pid := f.last.take()
	if p, err = hold(pid, control[:used]); err != nil {
		err = errors.Join(err, discard(pid))
	}
	return p, true, err
}

// hold takes ownership of a child whose pidfd is in a control message.
func hold(pid int, control []byte) (*namespaces.Process, error) {
	fds, err := descriptors(control)
	if err != nil || len(fds) != 1 { // the kernel drops descriptors for which there is no number
		closeAll(fds)
		return nil, fmt.Errorf("cannot hold process %d: %w", pid, errors.Join(err, unix.EMFILE))
	}
	return namespaces.Hold(pid, fds[0])
}
