package workers

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// maxNotification limits a datagram of sd_notify(3), in bytes.
const maxNotification = 4096

// Notifications implements System. The address is in the abstract namespace and chosen by the
// kernel, because a worker may see no directory in which the master can write. The kernel reports
// the sender of each datagram.
func (*Processes) Notifications(post func(Event)) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot make a socket for notifications: %w", err)
	}
	f := os.NewFile(uintptr(fd), "notifications")
	address, err := autobind(fd)
	if err != nil {
		f.Close()
		return "", fmt.Errorf("cannot make a socket for notifications: %w", err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return "", err
	}
	go func() {
		defer f.Close()
		buffer := make([]byte, maxNotification+1) // on the heap: a stack never shrinks again
		for {
			var pid int
			var text string
			var failure error
			err := raw.Read(func(fd uintptr) bool {
				pid, text, failure = receive(int(fd), buffer)
				return !errors.Is(failure, unix.EAGAIN)
			})
			if err != nil || failure != nil && !errors.Is(failure, unix.EINTR) {
				return
			}
			if pid > 0 && text != "" {
				post(notification{pid, text})
			}
		}
	}()
	return address, nil
}

// autobind binds a socket to an abstract name that the kernel chooses (unix(7)).
func autobind(fd int) (string, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return "", err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil {
		return "", err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	u, ok := name.(*unix.SockaddrUnix)
	if !ok || len(u.Name) < 2 {
		return "", errors.New("the kernel gave no name")
	}
	return u.Name, nil
}

// receive receives one datagram. The text is empty when the datagram is too long or has no
// sender. Descriptors in the datagram are closed.
func receive(fd int, buffer []byte) (pid int, text string, err error) {
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, used, _, _, err := unix.Recvmsg(fd, buffer, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil || n > maxNotification {
		return 0, "", err
	}
	messages, err := unix.ParseSocketControlMessage(control[:used])
	if err != nil {
		return 0, "", nil //nolint:nilerr // a broken datagram belongs to no worker
	}
	for i := range messages {
		if credentials, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return int(credentials.Pid), string(buffer[:n]), nil
		}
	}
	return 0, "", nil
}
