package namespaces

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Listening sockets of another process are found, each once, a unix socket with the file at its path, and of one
// network on request. Their flags stay.
func TestListening(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	path, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer path.Close()
	listener, err := tcp.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	other, err := path.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{file, other, listener, listener} // of two descriptors one is enough
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if none := p.Listening(1); len(none) != 0 {
		t.Errorf("%d sockets of another network", len(none))
	}
	found := p.Listening(0)
	if len(found) != 3 {
		t.Fatalf("%d descriptors, want a unix socket, its file, and a TCP socket", len(found))
	}
	if at, err := unix.Getsockname(found[0]); err != nil || at.(*unix.SockaddrUnix).Name != path.Addr().String() {
		t.Errorf("the first is bound to %+v, %v", at, err)
	}
	var file1, file2 unix.Stat_t
	if err := errors.Join(unix.Fstat(found[1], &file1), unix.Lstat(path.Addr().String(), &file2)); err != nil || file1.Ino != file2.Ino {
		t.Errorf("the file of the path is %d, and not %d: %v", file1.Ino, file2.Ino, err)
	}
	bound, err := unix.Getsockname(found[2])
	if at, ok := bound.(*unix.SockaddrInet4); err != nil || !ok || at.Port != tcp.Addr().(*net.TCPAddr).Port {
		t.Errorf("it is bound to %+v, %v", bound, err)
	}
	found.Close()
}
