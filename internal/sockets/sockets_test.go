package sockets

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

func options() Options { return Options{Backlog: 16, UID: -1, GID: -1} }

func mustListen(t *testing.T, address string, o Options) *Socket {
	t.Helper()
	s, err := Listen("socket", address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// dial connects to the socket's address and disconnects.
func dial(t *testing.T, s *Socket) {
	t.Helper()
	l, err := net.FileListener(s.file)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	for _, address := range []string{"127.0.0.1:0", ":0", "*:0", "localhost:0", "[::1]:0", filepath.Join(dir, "a.sock"), "@emperor-test-" + filepath.Base(dir)} {
		s := mustListen(t, address, options())
		dial(t, s)
		if flags, err := unix.FcntlInt(s.FD(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: not close-on-exec: %v", address, err)
		}
	}
}

// The number of the descriptor of a socket from which another listener accepts can be asked for: its waits
// go on to end at their deadlines.
func TestDescriptorStaysAsItIs(t *testing.T) {
	s := mustListen(t, "@emperor-test-"+filepath.Base(t.TempDir()), options())
	l, err := net.FileListener(s.file)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	same, err := s.As("socket", "again")
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	for _, x := range []*Socket{s, same} {
		flags, err := unix.FcntlInt(x.FD(), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s blocks: %v", x.Address, err)
		}
	}
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	busy := mustListen(t, filepath.Join(dir, "busy"), options())
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		busy.Address:                   "already in use by a running process",
		filepath.Join(dir, "file"):     "address already in use",
		"example.org:80":               "is not an IP address",
		"127.0.0.1:http":               "is not a port",
		"192.0.2.1:0":                  "cannot assign requested address",
		filepath.Join(dir, "x/y"):      "no such file",
		"fd://0x":                      "is not a descriptor",
		"/" + strings.Repeat("a", 200): "invalid argument",
	} {
		if _, err := Listen("socket", address, options()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", address, err, want)
		}
	}
}

func TestSocketOptions(t *testing.T) {
	o := options()
	o.KeepAlive, o.NoDelay, o.ReusePort, o.FreeBind = true, true, true, true
	s := mustListen(t, "192.0.2.1:0", o) // an address that no interface has
	for name, at := range map[string][2]int{
		"keepalive": {unix.SOL_SOCKET, unix.SO_KEEPALIVE}, "nodelay": {unix.IPPROTO_TCP, unix.TCP_NODELAY},
		"reuseport": {unix.SOL_SOCKET, unix.SO_REUSEPORT}, "freebind": {unix.IPPROTO_IP, unix.IP_FREEBIND},
	} {
		if on, err := unix.GetsockoptInt(int(s.FD()), at[0], at[1]); err != nil || on == 0 {
			t.Errorf("%s is %d, %v", name, on, err)
		}
	}
}

func TestUnixPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mode := fs.FileMode(0o640)
	o := options()
	o.Mode = &mode
	first := mustListen(t, path, o)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("mode: %v, %v", info, err)
	}
	first.Close()
	second := mustListen(t, path, o) // replaces a dead socket
	first.Remove()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket of another process was removed: %v", err)
	}
	second.Remove()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("not removed: %v", err)
	}
}

func TestSharing(t *testing.T) {
	s := mustListen(t, "127.0.0.1:0", options())
	again, err := s.As("http-socket", "=0")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	s.Close()
	dial(t, again)
	if _, err := Adopt("socket", "", int(os.Stderr.Fd())); err == nil {
		t.Error("adopted what is no listening socket")
	}
}

func TestBoundTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := mustListen(t, path, options())
	if !s.BoundTo(path) || s.BoundTo(path+"x") || s.BoundTo(":80") {
		t.Error("a unix socket does not know its address")
	}
	if up, err := address.Reachable(path); !up || err != nil {
		t.Errorf("not reachable: %v", err)
	}
	s.Close()
	if up, err := address.Reachable(path); up || err != nil {
		t.Errorf("reachable although closed: %v", err)
	}
}

func TestWhatAnAddressMeans(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	path := mustListen(t, "s", options())
	port := mustListen(t, "127.0.0.1:0", options())
	all := mustListen(t, "[::]:0", options())
	number := func(s *Socket) string {
		l, err := net.FileListener(s.file)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, n, _ := net.SplitHostPort(l.Addr().String())
		return n
	}
	for _, x := range []struct {
		socket     *Socket
		address    string
		is, crowds bool
	}{
		{path, "s", true, false},
		{path, filepath.Join(dir, "s"), true, false},
		{path, "other", false, false},
		{port, "localhost:" + number(port), true, false},
		{port, ":" + number(port), false, true},
		{port, "127.0.0.2:" + number(port), false, false},
		{port, ":1", false, false},
		{port, "[::]:" + number(port), false, true}, // which includes IPv4
		{all, "127.0.0.1:" + number(all), false, true},
		{all, "[::1]:" + number(all), false, true},
		{all, "nonsense:", false, false},
	} {
		if x.socket.IsAt(x.address) != x.is || x.socket.Crowds(x.address) != x.crowds {
			t.Errorf("%s at %q: %v, %v", x.socket.Address, x.address, x.socket.IsAt(x.address), x.socket.Crowds(x.address))
		}
	}
}

// The wildcard address of IPv6 includes IPv4, unless another socket has that port.
func TestBothFamilies(t *testing.T) {
	both := mustListen(t, "[::]:0", options())
	name, err := unix.Getsockname(int(both.FD()))
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(name.(*unix.SockaddrInet6).Port)
	if up, err := address.Reachable("127.0.0.1:" + port); !up || err != nil {
		t.Errorf("not reachable by IPv4: %v", err)
	}
	both.Close()
	o := options()
	o.Beside = []string{"[::]:" + port, "nonsense:", "127.0.0.1:" + port}
	mustListen(t, "[::]:"+port, o)
	if up, err := address.Reachable("127.0.0.1:" + port); up || err != nil {
		t.Errorf("it takes what another is for: %v", err)
	}
	mustListen(t, "127.0.0.1:"+port, o)
}

// The socket that inherited a path removes it, and no other socket does.
func TestInheritedPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := mustListen(t, path, options())
	heir, err := s.As("http-socket", path)
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	heir.Remove()
	heir.Inherit(s)
	s.Remove()
	if up, err := address.Reachable(path); !up || err != nil {
		t.Errorf("not reachable: %v", err)
	}
	heir.Remove()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("not removed: %v", err)
	}
}
