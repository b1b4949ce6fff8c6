package namespaces

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// All sockets are of one network, which is not the one of the process, and a socket at a path is reached from there.
func TestSocketMaker(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("unshare(CLONE_NEWNET) needs root")
	}
	m := NewSocketMaker()
	defer m.Close()
	if m.Home() != 0 {
		t.Error("there is a network before the first socket")
	}
	var all Sockets
	defer func() { all.Close() }()
	for range 2 {
		made, err := m.Make(2)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, made...)
	}
	for _, fd := range all {
		if got := networkOf(fd); got != m.Home() {
			t.Errorf("a socket is of network %d, another one of %d", got, m.Home())
		}
	}
	ours, err := unboundSockets(1)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if networkOf(ours[0]) == m.Home() {
		t.Error("it is the network of this process")
	}
	at := &unix.SockaddrUnix{Name: t.TempDir() + "/s"}
	if err := unix.Bind(all[0], at); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(all[0], 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(ours[0], at); err != nil {
		t.Error(err)
	}
}
