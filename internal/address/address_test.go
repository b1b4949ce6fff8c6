package address

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]struct {
		is      Address
		dialed  string
		inFiles bool
	}{
		":80":            {Address{Port: 80}, "127.0.0.1:80", false},
		"*:80":           {Address{Host: "*", Port: 80}, "127.0.0.1:80", false},
		"1.2.3.4:80":     {Address{Host: "1.2.3.4", Port: 80}, "1.2.3.4:80", false},
		"db.local:80":    {Address{Host: "db.local", Port: 80}, "db.local:80", false},
		"[::1]:80":       {Address{Host: "::1", Port: 80}, "[::1]:80", false},
		"::1:80":         {Address{Host: "::1", Port: 80}, "[::1]:80", false},
		"[fe80::1%1]:80": {Address{Host: "fe80::1%1", Port: 80}, "[fe80::1%1]:80", false},
		"/run/a.sock":    {Address{Path: "/run/a.sock"}, "/run/a.sock", true},
		"a.sock":         {Address{Path: "a.sock"}, "a.sock", true},
		"./a:b.sock":     {Address{Path: "./a:b.sock"}, "./a:b.sock", true},
		"dir/a:b.sock":   {Address{Path: "dir/a:b.sock"}, "dir/a:b.sock", true},
		"/run/a:80":      {Address{Path: "/run/a:80"}, "/run/a:80", true},
		"@a:80":          {Address{Path: "@a:80"}, "@a:80", false},
	} {
		got, err := Parse(text)
		if err != nil || got != want.is || got.Dialed() != want.dialed || InFiles(text) != want.inFiles {
			t.Errorf("%q: %+v, dialed %q, %v", text, got, got.Dialed(), err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q", text, got.String())
		}
	}
	for _, text := range []string{"", "@", "host:", ":http", ":65536", "a:-1"} {
		if got, err := Parse(text); err == nil || IsUnix(text) {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestAuthority(t *testing.T) {
	for text, want := range map[string]string{
		"a.example": "a.example:80", "a.example:81": "a.example:81", "1.2.3.4": "1.2.3.4:80", "[::1]": "[::1]:80", "[::1]:81": "[::1]:81",
		"[fe80::1%lo]": "[fe80::1%lo]:80", "@name": "@name", ":81": ":81",
	} {
		if got := Authority(text, 80); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestIn(t *testing.T) {
	for text, want := range map[string]string{"a.sock": "/d/a.sock", "./x/a": "/d/x/a", "/a": "/a", "@a": "@a", ":80": ":80", "": ""} {
		if got := In("/d", text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// Names are not looked up; zones are numbers or interfaces.
func TestSockaddr(t *testing.T) {
	for text, ok := range map[string]bool{
		":80": true, "localhost:80": true, "[::]:80": true, "[fe80::1%1]:80": true, "[fe80::1%lo]:80": true, "a": true,
		"example.com:80": false, "[fe80::1%nowhere]:80": false,
	} {
		a, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Sockaddr(); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// RemoveDead removes a socket on which no process listens. It leaves files, links and sockets
// in use alone.
func TestRemoveDead(t *testing.T) {
	for name, kind := range map[string]int{"unix": unix.SOCK_STREAM, "unixgram": unix.SOCK_DGRAM} {
		path := filepath.Join(t.TempDir(), "s")
		listen := func() interface{ Close() error } {
			var l interface{ Close() error }
			var err error
			if kind == unix.SOCK_STREAM {
				var u *net.UnixListener
				if u, err = net.ListenUnix(name, &net.UnixAddr{Name: path, Net: name}); err == nil {
					u.SetUnlinkOnClose(false)
				}
				l = u
			} else {
				l, err = net.ListenUnixgram(name, &net.UnixAddr{Name: path, Net: name})
			}
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := listen()
		if err := RemoveDead(path, kind); !errors.Is(err, ErrBusy) {
			t.Errorf("%s in use: %v", name, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s in use is gone: %v", name, err)
		}
		l.Close()
		if err := os.Symlink(path, path+".link"); err != nil {
			t.Fatal(err)
		}
		if err := RemoveDead(path+".link", kind); err != nil {
			t.Error(err)
		}
		if err := RemoveDead(path, kind); err != nil {
			t.Errorf("dead %s: %v", name, err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("dead %s is still there", name)
		}
		if err := RemoveDead(path, kind); err != nil {
			t.Errorf("nothing: %v", err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := RemoveDead(path, kind); err != nil {
			t.Errorf("a file: %v", err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Error("a file is removed")
		}
	}
}

// A socket that does not listen has its address alone, of both families.
func TestBind(t *testing.T) {
	yes := true
	for _, ip := range []string{"127.0.0.1", "::1"} {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			first, err := Bind(netip.AddrPortFrom(netip.MustParseAddr(ip), 0), kind, Options{V6Only: &yes})
			if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
				t.Logf("%s: %v", ip, err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			name, err := unix.Getsockname(int(first.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			var port int
			switch a := name.(type) {
			case *unix.SockaddrInet4:
				port = a.Port
			case *unix.SockaddrInet6:
				port = a.Port
			}
			call := new(os.SyscallError)
			if _, err := Bind(netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(port)), kind, Options{V6Only: &yes}); !errors.As(err, &call) || call.Syscall != "bind" || !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("a second socket at %s, port %d: %v", ip, port, err)
			}
		}
	}
}
