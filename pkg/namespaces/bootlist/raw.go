package bootlist

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The process that forks makes its calls without the knowledge of the Go runtime, as long as requests come. The runtime takes
// the work of a thread that is in a call away, gives it to another thread, and wakes a third one to look for such calls. For a
// process with one goroutine that is in vain, and costs several switches of threads for each request.

// attention is how long such a process awaits the next request in that way. Then it waits in a call that the
// runtime knows: otherwise the runtime, which takes the thread for busy, would look at it a hundred times a second.
const attention = 20 * time.Millisecond

// attend receives a message with descriptors, as receive does.
func attend(fd int, buffer, control []byte) (n, used int, err error) {
	fds := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	wait := unix.NsecToTimespec(int64(attention))
	ready, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
	if ready != 1 { // none, or a signal
		return receive(fd, buffer, control)
	}
	m, part := messageOf(buffer, control)
	m.Iov = &part
	size, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_CMSG_CLOEXEC)
	if errno != 0 {
		return receive(fd, buffer, control)
	}
	return int(size), int(m.Controllen), nil
}

// sendRaw sends a message with descriptors. The socket has room for it.
func sendRaw(fd int, message, control []byte) error {
	m, part := messageOf(message, control)
	m.Iov = &part
	if _, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_NOSIGNAL); errno != 0 {
		return os.NewSyscallError("sendmsg", errno)
	}
	return nil
}

// messageOf returns a message whose one part is to be set.
func messageOf(buffer, control []byte) (m unix.Msghdr, part unix.Iovec) {
	part.Base = unsafe.SliceData(buffer)
	part.SetLen(len(buffer))
	m.SetIovlen(1)
	if len(control) > 0 {
		m.Control = unsafe.SliceData(control)
		m.SetControllen(len(control))
	}
	return m, part
}

func closeRaw(fds []int) {
	for _, fd := range fds {
		_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	}
}
