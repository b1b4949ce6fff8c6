package sockets

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestExplained: an address that cannot be had says which there are, or who has it.
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
