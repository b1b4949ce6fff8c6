package ondemand

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

func planAt(path string) emperor.Plan {
	return emperor.Plan{Config: monitor.Config{Name: filepath.Base(path), Path: path}}
}

func TestWhereAVassalIsOnDemand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.ini")
	if err := os.WriteFile(file+".socket", []byte("127.0.0.1:3031\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, file string
		sockets    Sockets
		want       string
	}{
		{"nowhere", file, Sockets{}, ""},
		{"extension", file, Sockets{Extension: ".socket"}, "127.0.0.1:3031"},
		{"extension of another", filepath.Join(dir, "b.ini"), Sockets{Extension: ".socket"}, ""},
		{"extension before directory", file, Sockets{Extension: ".socket", Directory: "/run"}, "127.0.0.1:3031"},
		{"directory", file, Sockets{Directory: "/run/x"}, "/run/x/a.socket"},
		{"exec", file, Sockets{Exec: "echo /run/y/"}, "/run/y/ a.ini"},
		{"exec with a hostile name", `/etc/$(id);"x".ini`, Sockets{Exec: "printf '%s\n'"}, `$(id);"x".ini`},
		{"exec that says no", file, Sockets{Exec: "true"}, ""},
	}
	for _, tt := range tests {
		got, _, err := tt.sockets.address(t.Context(), planAt(tt.file))
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if _, _, err := (Sockets{Exec: "exit 3"}).address(t.Context(), planAt(file)); err == nil {
		t.Error("a command that fails is no answer")
	}
	if err := os.Mkdir(filepath.Join(dir, "c.ini.socket"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Sockets{Extension: ".socket"}).address(t.Context(), planAt(filepath.Join(dir, "c.ini"))); err == nil {
		t.Error("a directory holds no address")
	}
}

func bound(s Sockets, address string) (*activation, error) {
	return s.bind(context.Background(), &activation{address: address}, 0)
}

// TestFamiliesOfAPort: a port without a host accepts clients of both families, as uWSGI's does, and
// an unspecified address accepts clients of its own.
func TestFamiliesOfAPort(t *testing.T) {
	for address, want := range map[string][2]bool{":0": {true, true}, "*:0": {true, true}, "[::]:0": {false, true}, "0.0.0.0:0": {true, false}} {
		a, err := bound(Sockets{UID: -1, GID: -1}, address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		l, err := net.FileListener(a.Socket())
		if err != nil {
			t.Fatal(err)
		}
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		for i, host := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if err == nil {
				c.Close()
			}
			if (err == nil) != want[i] {
				t.Errorf("%s: a client of %s: %v", address, host, err)
			}
		}
		l.Close()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestActivationWaitsForAConnection(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "s"), "127.0.0.1:0", "[::1]:0"} {
		a, err := bound(Sockets{Mode: 0o640, UID: -1, GID: -1}, address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := a.Wait(soon); err == nil {
			t.Errorf("%s: no client connected", address)
		}
		cancel()
		woken := make(chan error, 1)
		go func() { woken <- a.Wait(t.Context()) }()
		c := dial(t, a)
		defer c.Close()
		select {
		case err := <-woken:
			if err != nil {
				t.Errorf("%s: %v", address, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: not woken", address)
		}
		if err := a.Wait(t.Context()); err != nil { // it still waits
			t.Errorf("%s: %v", address, err)
		}
		if info, err := os.Stat(address); err == nil && info.Mode().Perm() != 0o640 {
			t.Errorf("the mode of the socket is %v", info.Mode())
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(address); err == nil {
			t.Errorf("%s is left", address)
		}
	}
}

func dial(t *testing.T, a emperor.Activation) net.Conn {
	t.Helper()
	l, err := net.FileListener(a.Socket())
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	defer l.Close()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDeadSocketIsReplacedAndALiveOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := bound(Sockets{Mode: 0o666, UID: -1, GID: -1}, path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bound(Sockets{}, path); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("binding beside a live socket: %v", err)
	}
	first.inode = 0 // leaves the path behind
	first.Close()
	second, err := bound(Sockets{Mode: 0o666, UID: -1, GID: -1}, path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestConfigurationThatBindsTheAddressIsRefused(t *testing.T) {
	dir := t.TempDir()
	p := planAt("/etc/vassals/a.ini")
	for _, a := range []string{":80", filepath.Join(dir, "a.socket")} {
		p.Places = append(p.Places, address.Placed(a, "/etc/vassals"))
	}
	_, err := Sockets{Directory: dir}.Activate(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "its configuration binds the same address") {
		t.Errorf("got %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{":80", "127.0.0.1:80", true},
		{"*:80", "[::1]:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"10.0.0.1:80", "10.0.0.2:80", false},
		{"[::]:80", "[::1]:80", true},
		{"[::]:80", "127.0.0.1:80", false},
		{"[::1]:80", "[0:0:0:0:0:0:0:1]:80", true},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80", true},
		{"localhost:80", "127.0.0.1:80", true},
		{"localhost:80", "[::1]:80", true},
		{"www.example.org:80", "www.example.org:80", true},
		{"www.example.org:80", "10.0.0.1:80", false},
		{"/run/../run/x", "/run/x", true},
		{dir + "/x", link + "/x", true},
		{dir + "/x", "x", true}, // in the directory of the configuration
		{"/run/x", "@/run/x", false},
		{"@x", "@x", true},
		{"@x", "@y", false},
		{"/run/x", ":80", false},
		{"fd://0", "fd://0", false}, // nothing is bound
	} {
		a, b := address.Placed(tt.a, dir), address.Placed(tt.b, dir)
		if a.Meets(b) != tt.same || b.Meets(a) != tt.same {
			t.Errorf("%q meets %q: %v, and the other way round %v, want %v", tt.a, tt.b, a.Meets(b), b.Meets(a), tt.same)
		}
	}
}
