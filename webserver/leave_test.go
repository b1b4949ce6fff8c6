package webserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// patience is the grace of an idle connection: longer than a busy machine may keep a client
// from running.
const patience = 3 * time.Second

// TestReloadLosesNothing replaces servers that share a socket, as the master does, while
// clients keep their connections and repeat no request.
func TestReloadLosesNothing(t *testing.T) {
	shared, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	options := serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "text"})}, Log: serving.Log{Disabled: true}}
	var servers sync.WaitGroup
	launch := func() (stop context.CancelFunc) {
		f, err := shared.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ready := make(chan struct{}, 1)
		servers.Go(func() {
			if err := Serve(ctx, &Config{
				Options: options, Sockets: []Socket{{"http-socket", l}}, Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard, Grace: patience,
				Notify: func(state string) {
					if state == "READY=1" {
						ready <- struct{}{}
					}
				},
			}); err != nil {
				t.Error(err)
			}
		})
		<-ready
		return stop
	}
	stop := launch()
	var clients sync.WaitGroup
	var done atomic.Bool
	var requests, told atomic.Int64
	for i := range 16 {
		clients.Go(func() {
			for !done.Load() {
				keepAsking(t, shared.Addr().String(), time.Duration(i)*700*time.Microsecond, &done, &requests, &told)
			}
		})
	}
	for i := 0; i < 50 || requests.Load() < 1000 || told.Load() == 0; i++ { // a busy machine does little between two
		next := launch()
		stop()
		stop = next
		time.Sleep(20 * time.Millisecond)
	}
	done.Store(true)
	clients.Wait()
	stop()
	servers.Wait()
	t.Logf("%d requests, %d times told to come back", requests.Load(), told.Load())
}

// keepAsking uses one connection until the server closes it after an answer. The server may
// close an idle connection between two requests, but a request that was sent must get an
// answer.
func keepAsking(t *testing.T, address string, pause time.Duration, done *atomic.Bool, requests, told *atomic.Int64) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for !done.Load() {
		if closedByPeer(c) {
			return
		}
		if _, err := io.WriteString(c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Errorf("write: %v", err)
			return
		}
		a, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("answer: %v", err)
			return
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || string(body) != "text" {
			t.Errorf("body %q, %v", body, err)
		}
		requests.Add(1)
		if a.Close {
			told.Add(1)
			return
		}
		time.Sleep(pause)
	}
}

// closedByPeer reports, without waiting, whether the connection has ended.
func closedByPeer(c net.Conn) bool {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	ended := false
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n == 0 && err == nil
		return true
	})
	return ended || err != nil
}

// TestLeaveHTTP2 stops a server that has HTTP/2 clients, while another takes over.
func TestLeaveHTTP2(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, "x")
	o := serving.Options{
		CheckStatic:  []string{tree(t, map[string]string{"a": "text"})},
		Certificates: []serving.Certificate{{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}},
	}
	first := start(t, o, "https-socket")
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	var to atomic.Value
	to.Store(first.addr["https-socket"])
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", to.Load().(string))
	}
	var clients sync.WaitGroup
	var done atomic.Bool
	var requests atomic.Int64
	for range 8 {
		clients.Go(func() {
			for !done.Load() {
				a, err := (&http.Client{Transport: tr}).Post("https://site/a", "a/b", http.NoBody) // not repeated by the client
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, a.Body)
				a.Body.Close()
				if a.ProtoMajor != 2 || a.StatusCode != http.StatusMethodNotAllowed {
					t.Errorf("%s %d", a.Proto, a.StatusCode)
				}
				requests.Add(1)
			}
		})
	}
	for range 5 {
		next := start(t, o, "https-socket")
		to.Store(next.addr["https-socket"])
		before := requests.Load()
		first.end()
		eventually(t, "the next one answers", func() bool { return requests.Load() > before+20 })
		first = next
	}
	done.Store(true)
	clients.Wait()
}

// TestLeaveWaitsForRequests stops a server with a request in progress.
func TestLeaveWaitsForRequests(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{})
	s := start(t, serving.Options{HTTPTo: []string{backend(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "late")
	})}})
	type answer struct {
		body  string
		close bool
	}
	got := make(chan answer, 1)
	go func() {
		a, err := http.Get("http://" + s.addr["http-socket"] + "/")
		if err != nil {
			got <- answer{body: err.Error()}
			return
		}
		defer a.Body.Close()
		body, _ := io.ReadAll(a.Body)
		got <- answer{string(body), a.Close}
	}()
	<-arrived
	s.stop()
	select {
	case err := <-s.ended:
		t.Fatalf("ended before the request: %v", err)
	case <-time.After(400 * time.Millisecond):
	}
	if _, err := net.Dial("tcp", s.addr["http-socket"]); err == nil {
		t.Error("connections are still accepted")
	}
	close(release)
	if a := <-got; a.body != "late" || !a.close {
		t.Errorf("got %+v", a)
	}
}

// TestBacklogIsServed stops a server, the only process with its socket, while connections wait
// in the queue.
func TestBacklogIsServed(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "text"})}})
	var waiting []net.Conn
	for range 50 {
		c, err := net.Dial("tcp", s.addr["http-socket"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		waiting = append(waiting, c)
	}
	s.stop()
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); time.Sleep(time.Millisecond) { // it takes a moment
		c, err := net.Dial("tcp", s.addr["http-socket"])
		if err != nil {
			break
		}
		c.Close()
	}
	for _, c := range waiting {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusOK || !a.Close {
			t.Errorf("%d, close %v", a.StatusCode, a.Close)
		}
	}
}

// Sockets of another process are not used.
func TestInherited(t *testing.T) {
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_PID", "1")
	if got, err := inherited(); got != nil || err != nil {
		t.Errorf("descriptors of another process: %v %v", got, err)
	}
	t.Setenv("LISTEN_FDS", "many")
	if _, err := inherited(); err == nil {
		t.Error("LISTEN_FDS=many is taken")
	}
}

func TestNotifier(t *testing.T) {
	if notifier(nullLog) != nil {
		t.Error("a notifier without a socket")
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notify := notifier(nullLog)
	notify("READY=1")
	b := make([]byte, 100)
	n, err := l.Read(b)
	if err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("%q %v", b[:n], err)
	}
	if _, there := os.LookupEnv("NOTIFY_SOCKET"); there {
		t.Error("the variable is still there")
	}
}

func TestUnknownSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Serve(context.Background(), &Config{Options: serving.Options{CheckStatic: []string{t.TempDir()}}, Sockets: []Socket{{"gopher-socket", l}}, Log: nullLog, AccessLog: io.Discard})
	if err == nil || errors.Is(err, ErrNothing) {
		t.Errorf("got %v", err)
	}
}
