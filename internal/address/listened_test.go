package address

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestListenedBy: the user that listened counts, and a socket on which no process has listened is of no user.
func TestListenedBy(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	uid := uint32(os.Geteuid())
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "s")}); err != nil {
		t.Fatal(err)
	}
	if ListenedBy(fd, uid) {
		t.Error("a socket without a listener is this user's")
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	if !ListenedBy(fd, uid) || ListenedBy(fd, uid+1) {
		t.Error("the socket is not the one of the user that listens")
	}
	if null, err := os.Open(os.DevNull); err != nil || ListenedBy(int(null.Fd()), uid) {
		t.Error("a file that is no socket has a listener", err)
	} else {
		null.Close()
	}
}
