package sockets

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// A kept unix socket goes on while its path leads to it, with the mode that a new one would have.
func TestResumesPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	mode := os.FileMode(0o640)
	o := options()
	o.Mode = &mode
	kept := func() *Socket {
		t.Helper()
		first := mustListen(t, path, o)
		s, err := first.As("kept", "passed")
		if err != nil {
			t.Fatal(err)
		}
		first.Close()
		file, err := os.OpenFile(path, unix.O_PATH, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := s.SetFile(int(file.Fd())); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := kept()
	mode = 0o600
	if !s.Resumes(path, o) {
		t.Error("it does not go on")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	dial(t, s)
	if s.Resumes(path+"2", o) {
		t.Error("it goes on at another path")
	}
	o.Mode = nil
	if s.Resumes(path, o) {
		t.Error("it goes on with a mode that the umask does not give")
	}
	o.Mode = &mode
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	other := mustListen(t, path, o)
	if s.Resumes(path, o) {
		t.Error("it goes on although its path leads to another socket")
	}
	s.GiveUp()
	dial(t, other)
	other.Remove()
	other.Close()
	s = kept()
	s.GiveUp()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the path of the socket that was given up is left: %v", err)
	}
}
