package sockets

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A socket that is given up makes its address free although another process has the socket as
// well, and with TCP ends the connections that wait in its queue.
func TestGiveUp(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", filepath.Join(t.TempDir(), "socket")} {
		s := mustListen(t, address, options())
		network, bound := "unix", address
		if s.IsPort() {
			network = "tcp"
			var err error
			if bound, err = s.Dialed(); err != nil {
				t.Fatal(err)
			}
		}
		elsewhere, err := s.As("elsewhere", bound)
		if err != nil {
			t.Fatal(err)
		}
		defer elsewhere.Close()
		waiting, err := net.Dial(network, bound)
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close()
		if again, err := Listen("again", bound, options()); err == nil {
			again.Close()
			t.Fatalf("%s is free while the socket listens", address)
		}
		s.GiveUp()
		if network == "tcp" {
			_ = waiting.SetReadDeadline(time.Now().Add(5 * time.Second))
			if n, err := waiting.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: a connection in the queue still waits: %v", address, err)
			}
		}
		again, err := Listen("again", bound, options())
		if err != nil {
			t.Errorf("%s is not free: %v", address, err)
			continue
		}
		dial(t, again)
		again.Close()
	}
}
