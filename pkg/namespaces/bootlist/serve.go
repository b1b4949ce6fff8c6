package bootlist

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/birthlimit"
)

// ServerName is the name under which a program is started that is to call Serve.
const ServerName = "vassal-forker"

// socketFD is the descriptor of the requests, and slotFD belongs to the slot.
const (
	socketFD = 3
	slotFD   = 4
)

// IsServer reports whether this process was started to call Serve.
func IsServer() bool { return os.Args[0] == ServerName }

// server is the process that forks. It has few descriptors and little memory, which make a fork
// cheap, runs nothing else, and knows nothing of vassals. It ends with its Forker.
type server struct {
	buffer  []byte // the request, in memory that never moves
	control []byte
	args    cloneArgs
	birth   *birth // in memory of its own, which children have
	pidfd   int32
	last    *slot
}

// Serve answers requests until the other end of the socket is closed. The caller is locked to the
// main thread. Serve blocks all signals for it, which children do not inherit.
func Serve() error {
	runtime.LockOSThread()
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil); err != nil {
		return fmt.Errorf("cannot block signals: %w", err)
	}
	last, err := openSlot(slotFD)
	if err != nil {
		return err
	}
	if err := reserve(); err != nil {
		return fmt.Errorf("cannot reserve descriptors: %w", err)
	}
	buffer, err := unix.Mmap(-1, 0, maxMessage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("cannot make room for requests: %w", err)
	}
	room, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(birth{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("cannot make room for a child: %w", err)
	}
	if err := leaveOut(buffer, room); err != nil {
		return fmt.Errorf("cannot keep memory from children: %w", err)
	}
	s := &server{buffer: buffer, control: make([]byte, unix.CmsgSpace(4*maxFiles)), last: last, birth: (*birth)(unsafe.Pointer(&room[0]))}
	s.birth.nofile, s.birth.failure.mark = unix.Rlimit(birthlimit.Files), mark
	for {
		n, used, err := attend(socketFD, s.buffer, s.control)
		switch {
		case err != nil:
			return fmt.Errorf("cannot receive a request: %w", err)
		case n == 0:
			return nil
		}
		if err := s.serve(s.buffer[:n], s.control[:used]); err != nil {
			return err
		}
	}
}

// reserve makes all descriptors above the socket that a child may get refer to a file, so that none
// of a request has such a number.
func reserve() error {
	if _, err := unix.FcntlInt(socketFD, unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return err
	}
	unix.Close(slotFD)
	for {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if fd >= maxFiles {
			return unix.Close(fd)
		}
	}
}

func (s *server) serve(message, control []byte) error {
	files, err := descriptors(control)
	defer closeRaw(files)
	if err != nil {
		return err
	}
	r, err := decode(message)
	if err != nil {
		return err
	}
	if len(files) != int(r.files+r.cgroup) {
		return fmt.Errorf("a request has %d descriptors", len(files))
	}
	s.args = cloneArgs{
		flags: r.flags | unix.CLONE_PARENT | unix.CLONE_PIDFD | unix.CLONE_PARENT_SETTID | cloneClearSignals,
		pidfd: uint64(uintptr(unsafe.Pointer(&s.pidfd))), parentTID: uint64(uintptr(unsafe.Pointer(s.last.pid()))),
	}
	if r.cgroup == 1 {
		s.args.flags |= cloneIntoCgroup
		s.args.cgroup = uint64(files[r.files])
	}
	b := s.birth
	for i := range r.files {
		b.files[i] = uintptr(files[i])
	}
	b.count, b.number, b.report = int(r.files), len(r.call), uintptr(r.report)
	b.calls, b.data = unsafe.Pointer(&r.call[0]), unsafe.Pointer(&r.data[0])
	errno, covered := fork(&s.args, b)
	for !covered { // the runtime moves stacks
		if err := b.coverStack(); err != nil {
			return err
		}
		errno, covered = fork(&s.args, b)
	}
	return s.reply(answer{errno})
}

func (s *server) reply(a answer) error {
	var rights []byte
	if a.errno == 0 {
		fds := []int{int(s.pidfd)}
		defer closeRaw(fds)
		rights = unix.UnixRights(fds...)
	}
	if err := sendRaw(socketFD, unsafe.Slice((*byte)(unsafe.Pointer(&a)), answerSize), rights); err != nil {
		return fmt.Errorf("cannot answer: %w", err)
	}
	return nil
}

// receive receives a message with descriptors. n is zero when the other end is closed.
func receive(fd int, buffer, control []byte) (n, used int, err error) {
	for {
		n, used, _, _, err = unix.Recvmsg(fd, buffer, control, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, syscall.EINTR) {
			return n, used, err
		}
	}
}

// descriptors returns the descriptors of a control message. The caller closes them.
func descriptors(control []byte) ([]int, error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	return unix.ParseUnixRights(&messages[0])
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
