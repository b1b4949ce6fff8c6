package sockets

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestExplained: the error of an address that cannot be bound names the existing ones, or the holder.
func TestExplained(t *testing.T) {
	o := Options{Backlog: 1, UID: -1, GID: -1}
	first, err := Listen("socket", "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	to, err := unix.Getsockname(int(first.FD()))
	if err != nil {
		t.Fatal(err)
	}
	port := to.(*unix.SockaddrInet4).Port
	for address, want := range map[string]string{
		fmt.Sprintf("127.0.0.1:%d", port): "address already in use by another socket of this vassal",
		"203.0.113.77:0":                  "cannot assign requested address: no interface has it (there are 127.0.0.1",
	} {
		s, err := Listen("socket", address, o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	if err := explained(":80", unix.EACCES); !strings.Contains(err.Error(), "port 80 needs root's rights (shared-socket") {
		t.Error(err)
	}
}

// The error of a path names the user and the operation.
func TestExplainedPath(t *testing.T) {
	for want, err := range map[string]error{
		"permission denied: uid " + strconv.Itoa(os.Geteuid()) + ` cannot make a file in "/srv/x"`:     unix.EACCES,
		"lchown /srv/x/s: operation not permitted: only root can give a file to another user (drop ch": &os.PathError{Op: "lchown", Path: "/srv/x/s", Err: unix.EPERM},
		"address already in use": unix.EADDRINUSE,
	} {
		if got := explained("/srv/x/s", err); !strings.HasPrefix(got.Error(), want) || !errors.Is(got, err) {
			t.Errorf("%v: %v, want %s…", err, got, want)
		}
	}
	if got := explained("@x", unix.EACCES); !errors.Is(got, unix.EACCES) || strings.Contains(got.Error(), "file") {
		t.Errorf("an abstract name: %v", got)
	}
}
