package journal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/journal/journaltest"
)

func listen(t *testing.T) (*journaltest.Journal, *Client) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	j, err := journaltest.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j, newClient(path)
}

// No value, whatever its bytes, adds a field to an entry or ends the entry.
func TestValuesAddNoFields(t *testing.T) {
	j, c := listen(t)
	for _, value := range []string{
		"", "plain", "a=b", "x\nPRIORITY=0\n_UID=0", "\n", "\n\n.\n", "x\n\x08\x00\x00\x00\x00\x00\x00\x00PRIORITY=0", "\x00\xff\x1b[31m", strings.Repeat("line\n", 100_000),
	} {
		if err := c.Send(t.Context(), Field{"MESSAGE", value}, Field{"PRIORITY", "6"}); err != nil {
			t.Fatalf("%.40q: %v", value, err)
		}
		e, err := j.Next(time.Now().Add(10 * time.Second))
		if err != nil {
			t.Fatalf("%.40q: %v", value, err)
		}
		if len(e) != 3 || e["MESSAGE"] != value || e["PRIORITY"] != "6" || e["_PID"] != strconv.Itoa(os.Getpid()) {
			t.Errorf("%.40q is %d fields", value, len(e))
		}
	}
}

// A journal whose queue other processes have filled gets the entry when it reads again.
func TestFullQueueDelaysAnEntry(t *testing.T) {
	j, c := listen(t)
	fillQueue(t, j.Path())
	sent := make(chan error, 1)
	go func() { sent <- c.Send(t.Context(), Field{"MESSAGE", "late"}) }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		e, err := j.Next(deadline)
		if err != nil {
			t.Fatalf("no entry: %v", err)
		}
		if e["MESSAGE"] == "late" {
			break
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// An entry that is given up while the queue is full leaves the client usable.
func TestFullQueueEndsWithTheContext(t *testing.T) {
	j, c := listen(t)
	filled := fillQueue(t, j.Path())
	ctx, cancel := context.WithCancelCause(t.Context())
	given := errors.New("given up")
	time.AfterFunc(50*time.Millisecond, func() { cancel(given) })
	if err := c.Send(ctx, Field{"MESSAGE", "never"}); !errors.Is(err, given) {
		t.Errorf("the error is %v", err)
	}
	for range filled {
		if _, err := j.Next(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Send(t.Context(), Field{"MESSAGE", "next"}); err != nil {
		t.Fatal(err)
	}
	if e, err := j.Next(time.Now().Add(10 * time.Second)); err != nil || e["MESSAGE"] != "next" {
		t.Errorf("got %v, %v", e, err)
	}
}

func fillQueue(t *testing.T, path string) (entries int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for {
		switch err := unix.Sendto(fd, fmt.Appendf(nil, "MESSAGE=%d\n", entries), 0, &unix.SockaddrUnix{Name: path}); {
		case errors.Is(err, unix.EAGAIN):
			return entries
		case err != nil:
			t.Fatal(err)
		}
		entries++
	}
}

// A restarted journal gets the next entry; without a journal there is an error.
func TestJournalIsRestarted(t *testing.T) {
	j, c := listen(t)
	send := func(text string) error { return c.Send(t.Context(), Field{"MESSAGE", text}) }
	if err := send("one"); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if err := send("two"); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("without a journal: %v", err)
	}
	again, err := journaltest.Listen(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := send("three"); err != nil {
		t.Fatal(err)
	}
	if e, err := again.Next(time.Now().Add(10 * time.Second)); err != nil || e["MESSAGE"] != "three" {
		t.Errorf("got %v, %v", e, err)
	}
}

// No journal is reachable where there is no socket.
func TestNoJournal(t *testing.T) {
	c := newClient(filepath.Join(t.TempDir(), "none"))
	if err := c.Reachable(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	var op *net.OpError
	if err := c.Send(t.Context(), Field{"MESSAGE", "x"}); !errors.As(err, &op) {
		t.Errorf("the error is %v", err)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("x", "a.ini")
	f.Add("x\nPRIORITY=0", "a\nb")
	f.Fuzz(func(t *testing.T, message, name string) {
		fields, err := journaltest.Parse(encode([]Field{{"MESSAGE", message}, {"EMPEROR_VASSAL", name}}))
		if err != nil || len(fields) != 2 || fields["MESSAGE"] != message || fields["EMPEROR_VASSAL"] != name {
			t.Errorf("%q, %q: %q, %v", message, name, fields, err)
		}
	})
}
