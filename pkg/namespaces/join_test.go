package namespaces

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// givenAt listens at a socket, and sends each client a message with descriptors.
func givenAt(t *testing.T, send func(c *net.UnixConn)) (path string) {
	t.Helper()
	path = t.TempDir() + "/s"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			send(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return path
}

func TestTakeGivenRefuses(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	message := func(text string, files ...*os.File) func(*net.UnixConn) {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		return func(c *net.UnixConn) { _, _, _ = c.WriteMsgUnix([]byte(text), unix.UnixRights(fds...), nil) }
	}
	before := descriptors(t)
	for name, test := range map[string]struct {
		send func(*net.UnixConn)
		want string
	}{
		"no message":      {func(*net.UnixConn) {}, "nothing is given out there"},
		"another program": {message("HTTP/1.1 400\r\n", null), "no setns-socket"},
		"another count":   {message("uwsgi-setns\x02\x00\x00\x00", own), "no setns-socket"},
		"a file":          {message("uwsgi-setns\x01\x00\x00\x00", null), "no namespace"},
		"the host's":      {message("uwsgi-setns\x01\x00\x00\x00", own), "only namespaces of the host"},
	} {
		t.Run(name, func(t *testing.T) {
			if j, err := TakeGiven(givenAt(t, test.send), 5*time.Second, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v", j, err)
			}
		})
	}
	if _, err := TakeGiven(t.TempDir()+"/none", time.Second, nil); err == nil || err.Error() != "connect: no such file or directory" {
		t.Error(err)
	}
	t.Run("a silent process", func(t *testing.T) {
		silent := givenAt(t, func(c *net.UnixConn) { _, _ = c.Read(make([]byte, 1)) })
		if _, err := TakeGiven(silent, 50*time.Millisecond, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	if after := descriptors(t); after > before+1 { // the epoll of the runtime
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// A process is in the namespaces of another one from its start.
func TestSpawnerJoining(t *testing.T) {
	needRoot(t)
	s := newSpawner(t)
	other := act(t, s, "", Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Namespaces: NewNet | NewUTS | NewPID | NewMount})
	var files []*os.File
	for _, kind := range []Flags{NewNet, NewUTS, NewPID, NewMount} {
		f, err := PID(other.PID).OpenNamespace(kind)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() }) // after the end of the listener
		files = append(files, f)
	}
	path := givenAt(t, func(c *net.UnixConn) {
		raw, _ := c.SyscallConn()
		_ = raw.Control(func(fd uintptr) { _ = GiveOut(int(fd), files) })
	})
	j, err := TakeGiven(path, 5*time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	if j.Kinds() != NewNet|NewUTS|NewPID|NewMount {
		t.Errorf("they are %v", j.Kinds())
	}
	j.Without(NewUTS)
	defer j.Close()
	in, err := NewSpawnerJoining(j)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Start(Command{Path: "/bin/true", Args: []string{"true"}, Dir: "/"}); err == nil || !strings.Contains(err.Error(), "held open") {
		t.Errorf("a path: %v", err)
	}
	program, err := os.Open("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	p, err := in.Start(Command{Path: byDescriptor(program), Args: []string{"sleep", "1000"}, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer func() { _ = p.Signal(unix.SIGKILL); _, _ = p.Wait() }()
	for kind, joined := range map[Flags]bool{NewNet: true, NewUTS: false, NewPID: true, NewMount: true, NewIPC: false} {
		is, err := os.Readlink(entryOf(p.PID, kind))
		if err != nil {
			t.Fatal(err)
		}
		if was, _ := os.Readlink(entryOf(other.PID, kind)); kind != NewIPC && (is == was) != joined {
			t.Errorf("%v is joined: %v", kind, !joined)
		}
	}
}

func entryOf(pid int, kind Flags) string {
	for _, n := range names {
		if n.flag == kind {
			return fmt.Sprintf("/proc/%d/ns/%s", pid, n.entry)
		}
	}
	return ""
}
