package namespaces

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// inodeOf returns the inode of an open socket.
func inodeOf(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

type filer interface{ File() (*os.File, error) }

func fileOf(t *testing.T, c any) *os.File {
	t.Helper()
	f, err := c.(filer).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// The other end of a connection is known once a process has accepted it, and the process
// that has it is found.
func TestAccepted(t *testing.T) {
	for name, at := range map[string][2]string{
		"tcp4": {"tcp", "127.0.0.1:0"}, "tcp6": {"tcp", "[::1]:0"}, "mapped": {"tcp", ":0"},
		"unix": {"unix", filepath.Join(t.TempDir(), "s")}, "abstract": {"unix", "@accepted-" + filepath.Base(t.TempDir())},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen(at[0], at[1])
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			to := l.Addr().String()
			if name == "mapped" {
				_, port, _ := net.SplitHostPort(to)
				to = "127.0.0.1:" + port
			}
			conn, err := net.Dial(at[0], to)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fd := int(fileOf(t, conn).Fd())
			if inode, err := Accepted(fd); inode != 0 || err != nil {
				t.Errorf("before: %d, %v", inode, err)
			}
			other, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			inode, err := Accepted(fd)
			if want := inodeOf(t, fileOf(t, other)); inode != want || err != nil {
				t.Errorf("after: %d, %v; want %d", inode, err, want)
			}
			if has, err := HasSocket(os.Getpid(), 1, inode); !has || err != nil {
				t.Errorf("it has it: %v, %v", has, err)
			}
			if has, err := HasSocket(os.Getpid(), 1); has || err != nil {
				t.Errorf("it has no other: %v, %v", has, err)
			}
			if tcp, ok := l.Addr().(*net.TCPAddr); ok {
				listener := inodeOf(t, fileOf(t, l))
				for how, find := range map[string]func(uint16) ([]uint64, error){"diag": Listeners, "proc": listenersTCP} {
					if got, err := find(uint16(tcp.Port)); err != nil || len(got) != 1 || got[0] != listener {
						t.Errorf("%s: listeners %v, %v; want %d", how, got, err, listener)
					}
				}
				own, _ := unix.Getsockname(fd)
				peer, _ := unix.Getpeername(fd)
				if got, err := acceptedTCP(endpoint(peer), endpoint(own)); got != inode || err != nil {
					t.Errorf("by proc: %d, %v; want %d", got, err, inode)
				}
			}
		})
	}
}

func TestAcceptedElsewhere(t *testing.T) {
	if _, err := acceptedTCP(endpoint(&unix.SockaddrInet4{Port: 1}), endpoint(&unix.SockaddrInet4{Port: 2})); !errors.Is(err, errNoSocket) {
		t.Errorf("got %v", err)
	}
	if _, err := HasSocket(1 << 30); err == nil {
		t.Error("a process that is not there has descriptors")
	}
}

func TestTreeAndStart(t *testing.T) {
	if tree := Tree(os.Getpid()); len(tree) == 0 || tree[0] != os.Getpid() {
		t.Errorf("tree %v", tree)
	}
	if s := StartOf(os.Getpid()); s == 0 {
		t.Error("no start")
	}
	if s := StartOf(1 << 30); s != 0 {
		t.Errorf("start %d of no process", s)
	}
}

func FuzzParseTCP(f *testing.F) {
	f.Add("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1")
	f.Fuzz(func(_ *testing.T, line string) {
		parseTCP(line)
		_, _, _ = diagAnswers([]byte(line))
	})
}
