package sockets

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInner: for a program the socket has a path, the path is removed, and the holder of the
// door can connect.
func TestInner(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	before := unix.Umask(0o777)
	front, err := Listen("http-socket", "127.0.0.1:0", Options{Backlog: 5, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	s, err := Inner("http-socket", front, 5)
	unix.Umask(before)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bound, err := unix.Getsockname(int(s.FD()))
	if err != nil {
		t.Fatal(err)
	}
	name := bound.(*unix.SockaddrUnix).Name
	if _, err := os.Stat(filepath.Dir(name)); !strings.HasPrefix(name, "/") || !os.IsNotExist(err) {
		t.Errorf("%q is there: %v", name, err)
	}
	if s.Front() != front || s.Name != "http-socket" {
		t.Errorf("it is %q behind %v", s.Name, s.Front())
	}
	c, err := net.Dial("unix", "/proc/self/fd/"+strconv.Itoa(int(s.Door().Fd())))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestDialed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for address, want := range map[string]string{":0": "127.0.0.1:", "[::]:0": "[::1]:", "127.0.0.1:0": "127.0.0.1:", path: path, "@dialed": "@dialed"} {
		s, err := Listen("socket", address, Options{Backlog: 5, UID: -1, GID: -1})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got, err := s.Dialed(); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s is dialed as %q, %v", address, got, err)
		}
		s.Remove()
		s.Close()
	}
}
