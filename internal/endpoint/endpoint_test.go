package endpoint

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/address"
)

// A dead socket is replaced, a living one is not, and each form of an address connects to the
// listener at the same address.
func TestListenAndDial(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	for _, text := range []string{path, "@endpoint-test-" + filepath.Base(filepath.Dir(t.TempDir())), "127.0.0.1:0"} {
		l, err := Listen(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		at := text
		if text == "127.0.0.1:0" {
			at = l.Addr().String()
		}
		c, err := Dial(at, time.Second)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		c.Close()
		if text == path {
			if _, err := Listen(text); !errors.Is(err, address.ErrBusy) {
				t.Errorf("a socket in use: %v", err)
			}
		}
		l.Close()
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path is still there")
	}
}

func TestListenPacket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 2 { // the second time there is a dead one
		c, err := ListenPacket(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ListenPacket(path); !errors.Is(err, address.ErrBusy) {
			t.Errorf("a socket in use: %v", err)
		}
		c.Close()
	}
	c, err := ListenPacket("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestListenOnAName: names are as in the sockets of vassals, and no name server is asked.
func TestListenOnAName(t *testing.T) {
	l, err := Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if host, _, _ := net.SplitHostPort(l.Addr().String()); host != "127.0.0.1" {
		t.Errorf("localhost is %s", host)
	}
	const text, want = "nosuch.example:1", `cannot listen on "nosuch.example:1": "nosuch.example" is not an IP address`
	if _, err := Listen(text); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if _, err := ListenPacket(text); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("datagrams: got %v", err)
	}
}

// A path gets a new listener in one step, whatever has it, and the old listener does not remove it.
func TestListenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := ListenOver(path, 0o600, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ListenOver(path, 0o660, os.Getuid(), os.Getgid()) // a listener has it
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Fatalf("%v, %v", info, err)
	}
	c, err := Dial(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("left: %v, %v", list, err)
	}
	if l, err := ListenOver(filepath.Join(path, "below"), 0o600, -1, -1); err == nil {
		l.Close()
		t.Error("it listens below a file")
	}
}
