package process

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/poll"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// maxNotification limits one sd_notify(3) message. Longer messages are cut.
const maxNotification = 4 << 10

// notifySocket is the socket for sd_notify(3) messages of one generation of a vassal. All
// users may write to it, because the emperor does not know the vassal's user, but its name
// cannot be guessed: a process that fills its queue would block the vassal's messages. The
// kernel reports the sender, and only messages of the vassal's own processes count.
type notifySocket struct {
	path  string
	file  *os.File
	watch atomic.Pointer[poll.Watch] // nil: not watched yet
}

// newNotify makes the socket in dir, which must exist.
func newNotify(dir string) (*notifySocket, error) {
	var name [8]byte // a path of a socket has 108 bytes in all
	_, _ = rand.Read(name[:])
	path := filepath.Join(dir, hex.EncodeToString(name[:]))
	fd, err := bindNotify(path)
	if err != nil {
		return nil, err
	}
	return &notifySocket{path: path, file: os.NewFile(uintptr(fd), path)}, nil
}

// bindNotify returns a socket at a path.
func bindNotify(path string) (fd int, err error) {
	if fd, err = address.ListenPacket(path, 0o666); err != nil {
		return -1, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	return fd, nil
}

// rebind replaces a socket whose path was removed by another one, under the same descriptor.
// It reports whether it had to.
func (n *notifySocket) rebind() (bound bool, err error) {
	if _, err := os.Lstat(n.path); !errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	raw, err := n.file.SyscallConn()
	if err != nil {
		return false, err
	}
	fd, err := bindNotify(n.path)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	control := raw.Control(func(old uintptr) { err = unix.Dup3(fd, int(old), unix.O_CLOEXEC) })
	if err = errors.Join(control, err); err != nil {
		return false, errors.Join(err, os.Remove(n.path))
	}
	return true, nil
}

func (n *notifySocket) close() {
	n.file.Close()
	_ = os.Remove(n.path)
}

// receive returns one message that has arrived; otherwise the error is unix.EAGAIN. ok is
// false when another process sent the message, or when it has no content.
func (n *notifySocket) receive(c *child) (note emperor.Notification, ok bool, err error) {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return note, false, err
	}
	var (
		size, used int
		buffer     = make([]byte, maxNotification)
		control    = make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	)
	closed := raw.Control(func(fd uintptr) {
		// Without a buffer for them the kernel drops descriptors that are sent along.
		size, used, _, _, err = unix.Recvmsg(int(fd), buffer, control, unix.MSG_DONTWAIT)
	})
	if err = errors.Join(closed, err); err != nil {
		return note, false, err
	}
	if !c.owns(sender(control[:used])) {
		return note, false, nil
	}
	note, ok = parseNotification(string(buffer[:size]))
	return note, ok, nil
}

// sender returns the pid that the kernel confirms, or zero.
func sender(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for i := range messages {
		if creds, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return int(creds.Pid)
		}
	}
	return 0
}

// owns reports whether a process is the vassal or belongs to it: it is in its session, or in
// its pid namespace.
func (c *child) owns(pid int) bool {
	switch {
	case pid <= 0:
		return false
	case pid == c.resources.process.PID:
		return true
	}
	if session, err := unix.Getsid(pid); err == nil && session == c.resources.process.PID {
		return true
	}
	if !c.tree {
		return false
	}
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return false
	}
	its, err := os.Stat(fmt.Sprintf("/proc/%d/ns/pid", c.resources.process.PID))
	return err == nil && os.SameFile(theirs, its)
}

// parseNotification parses the assignments that are supported here.
func parseNotification(text string) (n emperor.Notification, ok bool) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch {
		case key == "STATUS":
			n.Status = &value
		case key == "READY" && value == "1":
			n.Ready = true
		case key == "RELOADING" && value == "1":
			n.Reloading = true
		case key == "STOPPING" && value == "1":
			n.Stopping = true
		case key == "WATCHDOG" && value == "1":
			n.Watchdog = true
		default:
			continue
		}
		ok = true
	}
	return n, ok
}
