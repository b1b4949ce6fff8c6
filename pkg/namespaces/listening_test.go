package namespaces

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Only listening TCP sockets of another process are found, each once, and their flags stay.
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
	found := p.Listening()
	if len(found) != 1 {
		t.Fatalf("%d sockets, want one", len(found))
	}
	bound, err := unix.Getsockname(found[0])
	if at, ok := bound.(*unix.SockaddrInet4); err != nil || !ok || at.Port != tcp.Addr().(*net.TCPAddr).Port {
		t.Errorf("it is bound to %+v, %v", bound, err)
	}
	found.Close()
}
