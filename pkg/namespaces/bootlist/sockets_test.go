package bootlist

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var errBusy = errors.New("it is busy")

// listens starts a child that listens at 3 and shows its descriptors and sockets.
func listens(t *testing.T, at unix.Sockaddr, mode *fs.FileMode) *life {
	t.Helper()
	return begin(t, newForker(t), 0, func(l *List) {
		channel := l.Files[3]
		l.Files = append(l.Files[:3:3], l.Files[0], channel)
		l.Report = 4
		l.Step("bind sockets")
		l.Seal()
		settings := []Setting{{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}}
		if _, path := at.(*unix.SockaddrUnix); path {
			settings = nil
		}
		if err := l.Listen(Socket{FD: 3, At: at, Settings: settings, Backlog: 7, UID: -1, GID: -1, Mode: mode, Busy: errBusy, Why: because("cannot listen")}); err != nil {
			t.Fatal(err)
		}
		l.Exec("/bin/sh", []string{"sh", "-c", "ls /proc/self/fd; cat /proc/net/unix /proc/net/tcp /proc/net/tcp6; readlink /proc/self/fd/3"}, []string{"PATH=/bin:/usr/bin"}, because("exec"))
	})
}

// A socket gets its number, its address and the mode of its path. A dead socket at the path is
// replaced.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	mode := fs.FileMode(0o620)
	for range 2 { // the second time a dead socket is there
		text, status := listens(t, &unix.SockaddrUnix{Name: path}, &mode).end()
		if status.Code != 0 || !strings.Contains(text, path) || !strings.HasPrefix(text, "0\n1\n2\n3\n4\n00") && !strings.HasPrefix(text, "0\n1\n2\n3\n4\nNum") {
			t.Errorf("%v: %q", status, text)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSocket|mode {
			t.Errorf("%v: %v", info, err)
		}
	}
	for _, at := range []unix.Sockaddr{
		&unix.SockaddrInet4{Port: 27561, Addr: [4]byte{127, 0, 0, 1}}, &unix.SockaddrInet6{Port: 27561, Addr: [16]byte{15: 1}}, &unix.SockaddrUnix{Name: "@emperor-6BA9"},
	} {
		child := listens(t, at, nil)
		text, status := child.end()
		if status.Code != 0 || !strings.Contains(text, "6BA9") { // the port, in hexadecimal digits
			t.Errorf("%v: %v: %q", at, status, text)
			t.Log(child.failed())
		}
	}
}

// A socket on which a process listens, and a file of another kind, stay.
func TestListenInVain(t *testing.T) {
	dir := t.TempDir()
	busy, file := filepath.Join(dir, "busy"), filepath.Join(dir, "file")
	l, err := net.Listen("unix", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{busy: errBusy, file: unix.EADDRINUSE, filepath.Join(dir, "none", "x"): unix.ENOENT} {
		child := listens(t, &unix.SockaddrUnix{Name: path}, nil)
		text, status := child.end()
		if _, why := child.failed(); why != "cannot listen: "+want.Error() || status.Code != 1 || text != "" {
			t.Errorf("%s: %q, %v, %q", path, why, status, text)
		}
		if _, err := os.Lstat(path); err != nil && !errors.Is(want, unix.ENOENT) {
			t.Error(err)
		}
	}
}
