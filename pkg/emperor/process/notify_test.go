package process

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// heard returns the accepted messages of all that were sent to the socket of a vassal whose
// process is pid.
func heard(t *testing.T, pid int, messages ...string) (notes []emperor.Notification) {
	t.Helper()
	n, err := newNotify(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	vassal := &child{resources: resources{process: &namespaces.Process{PID: pid}}}
	for _, text := range messages {
		if err := unix.Sendmsg(fd, []byte(text), unix.UnixRights(0, 1, 2), &unix.SockaddrUnix{Name: n.path}, 0); err != nil {
			t.Fatal(err)
		}
		note, ok, err := n.receive(vassal)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			notes = append(notes, note)
		}
	}
	return notes
}

func TestNotifications(t *testing.T) {
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := open()
	notes := heard(t, os.Getpid(), "READY=1\nSTATUS=serving\n", "", "\x00\xff", "READY=0", "WATCHDOG=1\nFDSTORE=1\nMAINPID=1",
		"STATUS="+strings.Repeat("x", 2*maxNotification), "RELOADING=1\nSTOPPING=1")
	if len(notes) != 4 || !notes[0].Ready || *notes[0].Status != "serving" || !notes[1].Watchdog || !notes[3].Reloading || !notes[3].Stopping {
		t.Errorf("heard %+v", notes)
	}
	if got := len(*notes[2].Status); got != maxNotification-len("STATUS=") {
		t.Errorf("%d bytes of a long status are kept", got)
	}
	if after := open(); after != before {
		t.Errorf("descriptors that were passed along are kept: %d, were %d", after, before)
	}
}

func TestNotificationsOfOthersAreNotHeard(t *testing.T) {
	other := os.Getppid()
	if s, err := unix.Getsid(0); err != nil || s == other {
		t.Skip("the parent leads the session of this process")
	}
	if notes := heard(t, other, "READY=1"); len(notes) > 0 {
		t.Errorf("heard %+v", notes)
	}
}

// A process that knows the path could fill the queue.
func TestNotifySocketCannotBeGuessed(t *testing.T) {
	dir, seen := t.TempDir(), map[string]bool{}
	for range 3 {
		n, err := newNotify(dir)
		if err != nil {
			t.Fatal(err)
		}
		seen[n.path] = true
		n.close()
	}
	if len(seen) != 3 {
		t.Errorf("the paths are %v", seen)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A pacer permits one burst at once and after that no more than the loop can handle.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pacer
		begin := time.Now()
		for range burst + 20 {
			time.Sleep(p.pause())
		}
		if took := time.Since(begin); took != 20*pace {
			t.Errorf("%d messages were heard in %v, want %v", burst+20, took, 20*pace)
		}
		time.Sleep(time.Hour) // the burst is full again, and no larger
		begin = time.Now()
		for range burst + 1 {
			time.Sleep(p.pause())
		}
		if took := time.Since(begin); took != pace {
			t.Errorf("after a rest it took %v, want %v", took, pace)
		}
	})
}
