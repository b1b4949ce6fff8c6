package namespaces

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A client gets the bytes of uWSGI, and descriptors of the namespaces of this process.
func TestGiveOut(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	files, err := OpenGiven([]string{"mnt", "user"})
	if err != nil {
		t.Fatal(err)
	}
	if err := GiveOut(pair[0], files); err != nil {
		t.Fatal(err)
	}
	message, rights := make([]byte, 64), make([]byte, 256)
	n, m, _, _, err := unix.Recvmsg(pair[1], message, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if want := binary.NativeEndian.AppendUint32([]byte("uwsgi-setns"), uint32(len(files))); string(message[:n]) != string(want) {
		t.Errorf("%q, not %q", message[:n], want)
	}
	parts, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&parts[0])
	if err != nil || len(fds) != len(files) {
		t.Fatalf("%d descriptors, not %d: %v", len(fds), len(files), err)
	}
	kinds := map[int]bool{}
	for _, fd := range fds {
		kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
		if err != nil {
			t.Error(err)
		}
		kinds[kind] = true
		unix.Close(fd)
	}
	for _, kind := range []int{unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWPID, unix.CLONE_NEWCGROUP} {
		if !kinds[kind] {
			t.Errorf("the namespace of kind %#x is missing", kind)
		}
	}
	if kinds[unix.CLONE_NEWNS] || kinds[unix.CLONE_NEWUSER] {
		t.Error("a namespace that is kept is among them")
	}
}

// Only a namespace is opened: nothing else in the directory can block or mislead.
func TestNamedNetwork(t *testing.T) {
	needRoot(t)
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		t.Fatal(err)
	}
	const fifo = "/run/netns/fence-test-fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(fifo) })
	for _, name := range []string{"fence-test-fifo", "fence-test-none"} {
		if f, err := NamedNetwork(name); err == nil {
			f.Close()
			t.Errorf("%s is opened", name)
		}
	}
}
