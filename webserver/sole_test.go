package webserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/wire"
)

// alone is a server without a master, and the emperor's ends of its channels.
type alone struct {
	t       *testing.T
	dir     string
	sole    *sole
	signals chan os.Signal
	ended   chan error
	orders  *wire.EmperorEnd
	pipe    *os.File
	serial  uint64
}

// written returns options in their written form. Sockets are NAME ADDRESS.
func written(t *testing.T, sockets []string, lines ...string) []byte {
	t.Helper()
	var o serving.Options
	for _, line := range lines {
		name, value, _ := strings.Cut(line, " = ")
		if err := o.Put(serving.Find(name), option.Value{Text: value}); err != nil {
			t.Fatal(err)
		}
	}
	s := serving.Sole{Mercy: 500 * time.Millisecond, Ready: 5 * time.Second, Backlog: 100, UID: -1, GID: -1, Mode: -1}
	for _, text := range sockets {
		name, address, _ := strings.Cut(text, " ")
		s.Sockets = append(s.Sockets, serving.Bound{Name: name, Address: address, Place: "a.ini:1: " + name + ": "})
	}
	text, err := o.WithSole(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// startAlone starts one, which listens at DIR/one and answers with "first".
func startAlone(t *testing.T, build ...func(*Config, *server) (*server, error)) *alone {
	t.Helper()
	a := &alone{t: t, dir: t.TempDir(), signals: make(chan os.Signal), ended: make(chan error, 1)}
	options, err := serving.Decode(written(t, []string{"http-socket " + a.path("one")}, "route-run = send:first"))
	if err != nil {
		t.Fatal(err)
	}
	a.sole = newSole(options, Config{Log: slog.New(slog.DiscardHandler), AccessLog: nowhere{}})
	for _, f := range build {
		a.sole.reload.make = f
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a.pipe = os.NewFile(uintptr(pair[0]), "emperor")
	var theirs *os.File
	if a.orders, theirs, err = wire.Pair(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	a.sole.link = newLink(pair[1], fd)
	bound, err := sockets.Listen("http-socket", a.path("one"), sockets.Options{Backlog: 100, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	a.sole.bound = []*sockets.Socket{bound}
	go func() { a.ended <- a.sole.serve(a.signals) }()
	t.Cleanup(func() { a.pipe.Close(); a.orders.Close() })
	a.serial = 1
	a.answered(wire.Ready, "")
	return a
}

type nowhere struct{}

func (nowhere) Write(line []byte) (int, error) { return len(line), nil }

func (a *alone) path(name string) string { return filepath.Join(a.dir, name) }

// answered checks the next notice, about the last order.
func (a *alone) answered(kind wire.NoticeKind, text string) {
	a.t.Helper()
	if n := a.notice(); n.Serial != a.serial || n.Kind != kind || !strings.Contains(n.Text, text) {
		a.t.Fatalf("%+v, want %d %s %q", n, a.serial, kind, text)
	}
}

func (a *alone) notice() wire.Notice {
	a.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		n, err := a.orders.TakeNotice()
		if err == nil {
			return n
		} else if !errors.Is(err, unix.EAGAIN) {
			a.t.Fatal(err)
		}
	}
	a.t.Fatal("no notice comes")
	return wire.Notice{}
}

// order sends an order to reload.
func (a *alone) order(server []byte) {
	a.t.Helper()
	a.serial++
	if err := a.orders.SendOrder(wire.Order{Serial: a.serial, Server: server}); err != nil {
		a.t.Fatal(err)
	}
}

// says returns the answer at a socket, over a new connection.
func (a *alone) says(name string) string {
	a.t.Helper()
	c, err := net.Dial("unix", a.path(name))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return requested(a.t, c)
}

func requested(t *testing.T, c net.Conn) string {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\r\n\r\n")
	return body
}

// A reload changes the answers and the sockets of the process. Connections of before are answered, and
// paths that are given up are removed.
func TestReloadInPlace(t *testing.T) {
	a := startAlone(t)
	if got := a.says("one"); got != "first" {
		t.Fatal(got)
	}
	early, err := net.Dial("unix", a.path("one"))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	a.order(written(t, []string{"http-socket " + a.path("one"), "http-socket " + a.path("two")}, "route-run = send:second"))
	a.answered(wire.Ready, "")
	if one, two := a.says("one"), a.says("two"); one+two != "secondsecond" {
		t.Errorf("%s %s", one, two)
	}
	if got := requested(t, early); got != "first" && got != "second" {
		t.Errorf("a connection of before got %q", got)
	}
	a.order(written(t, []string{"http-socket " + a.path("two")}, "route-run = send:third"))
	a.answered(wire.Ready, "")
	if got := a.says("two"); got != "third" {
		t.Error(got)
	}
	if _, err := os.Stat(a.path("one")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that was given up: %v", err)
	}
	a.order(written(t, []string{"uwsgi-socket " + a.path("two")}, "route-run = send:fourth")) // the same path for another protocol
	a.answered(wire.Ready, "")
	if _, err := os.Stat(a.path("two")); err != nil {
		t.Error(err)
	}
	a.signals <- syscall.SIGTERM
	if err := <-a.ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(a.path("two")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the path is left: %v", err)
	}
}

// A reload is reported when the server before does not accept any more: a connection that is made after the
// report gets the new answer. An order that comes meanwhile waits for the report.
func TestReloadIsReportedAtItsEnd(t *testing.T) {
	accepted, release := make(chan struct{}), make(chan struct{})
	a := startAlone(t, func(c *Config, before *server) (*server, error) {
		s, err := newServer(c, before)
		if err == nil && before == nil {
			s.web.ConnContext = func(ctx context.Context, n net.Conn) context.Context {
				accepted <- struct{}{}
				<-release
				return keepConn(ctx, n)
			}
		}
		return s, err
	})
	early, err := net.Dial("unix", a.path("one"))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	<-accepted
	one := []string{"http-socket " + a.path("one")}
	a.order(written(t, one, "route-run = send:second"))
	if got := a.says("one"); got != "second" { // the one before is busy
		t.Error(got)
	}
	a.order(written(t, one, "route-run = send:third"))
	a.signals <- syscall.SIGHUP // for the files that the order will read, too
	time.Sleep(50 * time.Millisecond)
	if n, err := a.orders.TakeNotice(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("%+v, %v before its end", n, err)
	}
	close(release)
	a.serial--
	a.answered(wire.Ready, "")
	a.serial++
	a.answered(wire.Ready, "")
	if got := a.says("one"); got != "third" {
		t.Error(got)
	}
	if got := requested(t, early); got != "first" {
		t.Errorf("a connection of before got %q", got)
	}
	a.signals <- syscall.SIGTERM
	if err := <-a.ended; err != nil {
		t.Error(err)
	}
}

// What cannot take effect changes nothing, and is answered with the reason.
func TestReloadInPlaceFails(t *testing.T) {
	a := startAlone(t)
	one := "http-socket " + a.path("one")
	for _, c := range []struct {
		server []byte
		kind   wire.NoticeKind
		text   string
	}{
		{nil, wire.Anew, "a new process is needed"},
		{[]byte("frob"), wire.Failed, "cut off"},
		{written(t, []string{one}), wire.Failed, ErrNothing.Error()},
		{written(t, []string{one}, "static-map = /="+a.path("missing")), wire.Failed, "missing"},
		{written(t, []string{one, "http-socket " + a.path("new"), "http-socket " + a.path("missing/x")}, "route-run = send:x"), wire.Failed, "a.ini:1: http-socket: cannot listen"},
		{written(t, []string{one, "https-socket " + a.path("new")}, "route-run = send:x"), wire.Failed, "certificate"},
	} {
		a.order(c.server)
		a.answered(c.kind, c.text)
		if got := a.says("one"); got != "first" {
			t.Errorf("%s: %s", c.text, got)
		}
		if _, err := os.Stat(a.path("new")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a socket is left: %v", c.text, err)
		}
	}
	a.order(written(t, []string{one}, "route-run = send:second"))
	a.answered(wire.Ready, "")
	if got := a.says("one"); got != "second" {
		t.Error(got)
	}
	a.pipe.Close() // the emperor is gone
	if err := <-a.ended; err != nil {
		t.Error(err)
	}
}

// An order does not wait for one whose files do not answer; SIGHUP reads the files again; a stop refuses
// the order in progress.
func TestReloadInPlaceOvertaken(t *testing.T) {
	release := make(chan struct{})
	a := startAlone(t, func(c *Config, before *server) (*server, error) {
		if len(c.Options.Routes) > 0 && c.Options.Routes[0].Arg == "slow" {
			<-release
		}
		return newServer(c, before)
	})
	one := []string{"http-socket " + a.path("one")}
	slow := written(t, one, "route-run = send:slow")
	a.order(slow)
	a.order(written(t, one, "route-run = send:second"))
	first := a.serial - 1
	for range 2 {
		switch n := a.notice(); {
		case n.Serial == first && n.Kind == wire.Failed:
		case n.Serial == a.serial && n.Kind == wire.Ready:
		default:
			t.Errorf("%+v", n)
		}
	}
	if got := a.says("one"); got != "second" {
		t.Error(got)
	}
	a.signals <- syscall.SIGHUP
	a.order(slow)
	a.signals <- syscall.SIGTERM
	if n := a.notice(); n.Serial != a.serial || n.Kind != wire.Failed {
		t.Errorf("%+v", n)
	}
	if err := <-a.ended; err != nil {
		t.Error(err)
	}
	close(release)
	for range a.sole.reload.running { // the process would have ended
		(<-a.sole.reload.made).server.abandon()
	}
}

// Attempts whose files do not answer are limited: later requests fail, also one that waited, until they end.
func TestReloadInPlaceStuck(t *testing.T) {
	release := make(chan struct{})
	a := startAlone(t, func(c *Config, before *server) (*server, error) {
		if len(c.Options.Routes) > 0 && c.Options.Routes[0].Arg == "slow" {
			<-release
		}
		return newServer(c, before)
	})
	one := []string{"http-socket " + a.path("one")}
	for i := range mostAttempts {
		a.order(written(t, one, "route-run = send:slow"))
		if i > 0 { // the one before is overtaken
			if n := a.notice(); n.Serial != a.serial-1 || n.Kind != wire.Failed {
				t.Fatalf("%+v", n)
			}
		}
	}
	a.signals <- syscall.SIGHUP
	a.order(written(t, one, "route-run = send:second"))
	for _, want := range []uint64{a.serial - 1, a.serial, 0} {
		if n := a.notice(); n.Serial != want || n.Kind != wire.Failed {
			t.Fatalf("%+v, want %d", n, want)
		}
	}
	close(release)
	for range 1000 { // the attempts end one after the other
		a.order(written(t, one, "route-run = send:third"))
		if n := a.notice(); n.Kind == wire.Ready {
			break
		}
	}
	if got := a.says("one"); got != "third" {
		t.Error(got)
	}
	a.signals <- syscall.SIGTERM
	if err := <-a.ended; err != nil {
		t.Error(err)
	}
}

// A request that does not end within the mercy does not keep the process alive. A counter goes on after a
// reload.
func TestSoleEnds(t *testing.T) {
	a := startAlone(t)
	a.says("one")
	release := make(chan struct{})
	defer close(release)
	back, err := net.Listen("unix", a.path("back"))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1)
	web := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release })}
	go func() { _ = web.Serve(back) }()
	defer web.Close()
	a.order(written(t, []string{"http-socket " + a.path("one")}, "http-to = "+a.path("back")))
	a.answered(wire.Ready, "")
	c, err := net.Dial("unix", a.path("one"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	if _, err := a.pipe.Write([]byte{byte(wire.Stop)}); err != nil {
		t.Fatal(err)
	}
	if n := a.notice(); n.Kind != wire.Ended || n.End == nil || !n.End.Killed {
		t.Errorf("%+v", n)
	}
	if err := <-a.ended; err != nil {
		t.Error(err)
	}
	for range len(a.sole.leaving) {
		left := <-a.sole.left // when the connections are closed
		if n := left.counters.requests.Load(); n < 1 {
			t.Errorf("%d requests", n)
		}
	}
}
