package namespaces

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// netlinkSocket is a socket of netlink(7). It acts in the network namespace of the thread that opened it, regardless
// of the thread that uses it. It is used by one goroutine at a time; any goroutine may close it.
type netlinkSocket struct {
	file   *os.File
	raw    syscall.RawConn
	closed atomic.Bool
}

// openNetlinkSocket opens a socket that receives the events of groups. The caller closes it.
func openNetlinkSocket(protocol int, groups ...uint) (*netlinkSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &netlinkSocket{file: os.NewFile(uintptr(fd), "netlink")}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for _, group := range groups {
		err = errors.Join(err, os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group))))
	}
	if err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends a receive of another goroutine.
func (s *netlinkSocket) close() {
	s.closed.Store(true)
	s.file.Close()
}

// set sets an option of netlink.
func (s *netlinkSocket) set(option, value int) (err error) {
	failed := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, option, value) })
	return errors.Join(failed, err)
}

// limit bounds the receives from now on.
func (s *netlinkSocket) limit(d time.Duration) error {
	return s.file.SetReadDeadline(time.Now().Add(d))
}

// send sends messages to the kernel.
func (s *netlinkSocket) send(messages []byte) (err error) {
	failed := s.raw.Control(func(fd uintptr) {
		err = unix.Sendto(int(fd), messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
	return errors.Join(failed, err)
}

// netlinkBuffer is larger than the messages of the kernel that are read here: one about an interface has 2 kB.
const netlinkBuffer = 32 << 10

// netlinkBuffers has the buffers for receives: a new one for each would cost more than the system call.
var netlinkBuffers = sync.Pool{New: func() any { return new([netlinkBuffer]byte) }}

// receive waits for messages of the kernel, and calls each for them. Their data is overwritten afterwards. Any process
// may send to this socket: messages of others are dropped. After close the error is os.ErrClosed.
func (s *netlinkSocket) receive(each func(syscall.NetlinkMessage)) error {
	buffer := netlinkBuffers.Get().(*[netlinkBuffer]byte)
	defer netlinkBuffers.Put(buffer)
	for {
		n, from, err := s.read(buffer[:])
		switch {
		case s.closed.Load():
			return os.ErrClosed
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n > len(buffer):
			return fmt.Errorf("a message of netlink has %d bytes", n)
		case from == nil || from.Pid != nl.PidKernel:
			continue
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return fmt.Errorf("cannot parse a message of netlink: %w", err)
		}
		for _, m := range messages {
			each(m)
		}
		return nil
	}
}

// read receives one datagram, and returns its length and sender.
func (s *netlinkSocket) read(to []byte) (n int, from *unix.SockaddrNetlink, err error) {
	var sender unix.Sockaddr
	failed := s.raw.Read(func(fd uintptr) bool {
		n, sender, err = unix.Recvfrom(int(fd), to, unix.MSG_TRUNC)
		return !errors.Is(err, unix.EAGAIN)
	})
	if failed != nil {
		return 0, nil, failed
	}
	from, _ = sender.(*unix.SockaddrNetlink)
	return n, from, err
}
