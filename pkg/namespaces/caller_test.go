package namespaces

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pair makes a connected pair of sockets.
func pair(t *testing.T, kind int) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// received returns the sender of the next datagram.
func received(t *testing.T, socket int) (*Caller, error) {
	t.Helper()
	control := make([]byte, SenderSpace())
	_, used, flags, _, err := unix.Recvmsg(socket, make([]byte, 16), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return SenderOf(control[:used], flags)
}

func TestCallers(t *testing.T) {
	stream, _ := pair(t, unix.SOCK_STREAM)
	datagrams, theirs := pair(t, unix.SOCK_DGRAM)
	if err := TellSenders(datagrams); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendmsg(theirs, []byte("x"), unix.UnixRights(0, 1, 2), nil, 0); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for name, get := range map[string]func() (*Caller, error){
		"peer":   func() (*Caller, error) { return CallerOf(stream) },
		"sender": func() (*Caller, error) { return received(t, datagrams) },
		"by pid": func() (*Caller, error) {
			return callerByPID(&unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Geteuid())})
		},
	} {
		c, err := get()
		if err != nil || c.PID != os.Getpid() || c.UID != os.Geteuid() {
			t.Errorf("%s: %+v, %v", name, c, err)
			continue
		}
		if same, err := c.Shares(NewUser); err != nil || !same {
			t.Errorf("%s: in our user namespace: %v, %v", name, same, err)
		}
		c.Close()
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors were open, and are %d", before, after)
	}
}

// A caller in another user namespace is detected although its ids are the same there, and a
// caller that has ended is not mistaken for another process.
func TestCallersElsewhere(t *testing.T) {
	datagrams, theirs := pair(t, unix.SOCK_DGRAM)
	if err := TellSenders(datagrams); err != nil {
		t.Fatal(err)
	}
	ids := []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	sender := exec.Command("sh", "-c", "echo x >&3; read line")
	socket := os.NewFile(uintptr(dup(t, theirs)), "socket")
	defer socket.Close()
	sender.ExtraFiles = []*os.File{socket}
	sender.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids}
	in, err := sender.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		t.Skipf("the kernel makes no user namespace: %v", err)
	}
	c, err := received(t, datagrams)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if same, err := c.Shares(NewUser); c.PID != sender.Process.Pid || c.UID != os.Geteuid() || err != nil || same {
		t.Errorf("%+v, in our user namespace: %v, %v", c, same, err)
	}
	if same, err := c.Shares(NewNet); err != nil || !same {
		t.Errorf("in our network: %v, %v", same, err)
	}
	in.Close()
	if err := sender.Wait(); err != nil {
		t.Log(err) // its input has ended
	}
	if same, err := c.Shares(NewUser); err == nil || !strings.Contains(err.Error(), "cannot inspect process") {
		t.Errorf("after its end: %v, %v", same, err)
	}
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return copied
}
