//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// web is a role: an HTTP server on the first descriptor of LISTEN_FDS that finishes every request
// when it is stopped. It answers with its pid. It does not use http.Server.Shutdown, which drops
// a request that was just read.
func web() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	var open sync.WaitGroup
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close") // one request each: nothing is lost between two
			fmt.Fprint(w, os.Getpid())
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Done()
			}
		},
	}
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	open.Wait()
	return nil
}

// script is a server in Python that reports when it is ready. At the request to stop it
// accepts no more connections but answers the open ones.
const script = `
import http.server, os, signal, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"page")
    def log_message(self, *args): pass
    def address_string(self): return "unix"
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)
server = Server(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=3)
server.socket.setblocking(False) # another worker may be quicker
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(1)) # no locks here
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
server.timeout = 0.01
while not leaving:
    server.handle_request()
server.server_close()
`

// dir makes a directory with a file in it, and returns its path.
func (w *world) dir(name, file string) string {
	w.t.Helper()
	if err := os.MkdirAll(w.path(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.write(name+"/"+file, "a page")
	return w.path(name)
}

// customers send requests without a pause and repeat none.
type customers struct {
	socket   string
	stop     chan struct{}
	group    sync.WaitGroup
	answered atomic.Int64

	mu       sync.Mutex
	failures []string
}

func (w *world) customers(n int, socket string) *customers {
	c := &customers{socket: socket, stop: make(chan struct{})}
	for range n {
		c.group.Go(c.shop)
	}
	return c
}

// leave ends the requests and returns the failures.
func (c *customers) leave() []string {
	close(c.stop)
	c.group.Wait()
	return c.failures
}

func (c *customers) shop() {
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		if err := c.visit(); err != nil {
			c.mu.Lock()
			c.failures = append(c.failures, err.Error())
			c.mu.Unlock()
		}
	}
}

// visit sends requests over one connection until the server closes it.
func (c *customers) visit() error {
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	for range 20 {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: vassal\r\n\r\n"); err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return fmt.Errorf("the answer: %w", err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		switch {
		case err != nil:
			return fmt.Errorf("the body: %w", err)
		case response.StatusCode != http.StatusOK:
			return errors.New(response.Status)
		}
		c.answered.Add(1)
		if response.Close {
			return nil
		}
	}
	return nil
}

// kinds are the ways to serve, as options.
var kinds = map[string]func(w *world) []string{
	"built-in server": func(w *world) []string {
		return []string{"static-map = /=" + w.dir("www", "index.html")}
	},
	"command in Go": func(*world) []string { return asRole("web") },
	"command in Python": func(w *world) []string {
		w.write("serve.py", script)
		return []string{"command = python3 " + w.path("serve.py"), "notify-ready = true"}
	},
	"uwsgi": func(w *world) []string {
		needsUwsgi(w.t)
		w.write("app.py", wsgi)
		w.write("serve.sh", "exec env -u NOTIFY_SOCKET TELL=$NOTIFY_SOCKET "+uwsgi+" --protocol http --plugin python3 --wsgi-file "+w.path("app.py")+
			` --master --lazy-apps --need-app --disable-logging --die-on-term --hook-master-start "unix_signal:15 gracefully_kill_them_all"`)
		return []string{"command = sh " + w.path("serve.sh"), "notify-ready = true", "worker-reload-mercy = 10"}
	},
}

// wsgi is an application for uwsgi, which takes sockets by LISTEN_FDS. It reports itself when
// it is ready: uwsgi does so before it has set up SIGTERM.
const wsgi = `
import os, socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["TELL"].replace("@", "\0", 1))
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4"), ("Connection", "close")])
    return [b"page"]
`

// excused is the number of requests in fifty reloads that a server may lose by its own fault.
// uwsgi ends immediately when it is stopped between accept(2) and the request (see
// gracefully_kill in its core/uwsgi.c). Fifty reloads end a hundred workers, of which up to four
// lost a request; a fault of the reload itself would lose one each time.
var excused = map[string]int{"uwsgi": 10}

// Fifty reloads in a row refuse no connection, with any server.
func TestReloadLosesNoRequest(t *testing.T) {
	t.Parallel()
	for name, prepare := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", append(prepare(w), "processes = 2", "http-socket = "+w.path("s/web"), "listen = 1024")...)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			eventually(t, "a worker serves", func() bool { return get(t, w.path("s/web"), "GET", "/", nil).status == http.StatusOK })
			c := w.customers(4, w.path("s/web"))
			for range 50 {
				if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				e.await("a.ini", "workers replaced")
			}
			if failures := c.leave(); len(failures) > excused[name] {
				t.Errorf("%d of %d requests failed: %s", len(failures), c.answered.Load(), strings.Join(slices.Compact(slices.Sorted(slices.Values(failures))), "; "))
			}
			if n := c.answered.Load(); n < 100 {
				t.Errorf("only %d requests were made", n)
			}
			if !alive(pid) {
				t.Error("the master is another")
			}
		})
	}
}

// asRole returns the options by which this binary plays a role as the command.
func asRole(role string, more ...string) []string {
	return append([]string{"command = " + storyProgram, "env = " + roleEnv + "=" + role}, more...)
}

// workersOf returns the children of a vassal that serve.
func workersOf(pid int) []int { return children(pid) }

func TestKilledWorkerIsReplacedAndTheOthersServe(t *testing.T) {
	t.Parallel()
	for name, prepare := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", append(prepare(w), "processes = 3", "http-socket = "+w.path("s/web"), "listen = 1024")...)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			var before []int
			for range 3 {
				before = append(before, e.workerStarted("a.ini", pid))
			}
			eventually(t, "a worker serves", func() bool { return get(t, w.path("s/web"), "GET", "/", nil).status == http.StatusOK })
			c := w.customers(3, w.path("s/web"))
			if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			e.workerStarted("a.ini", pid)
			eventually(t, "there are three again", func() bool { now := workersOf(pid); return len(now) == 3 && !slices.Contains(now, before[0]) })
			failures := c.leave()
			if len(failures) > 3 { // the requests in it
				t.Errorf("%d requests failed: %s", len(failures), strings.Join(failures, "; "))
			}
			for _, old := range before[1:] {
				if !alive(old) {
					t.Errorf("worker %d did not stay", old)
				}
			}
		})
	}
}

// workerStarted waits for the next worker of a vassal whose process is pid, and returns its
// process.
func (e *emperor) workerStarted(vassal string, pid int) (worker int) {
	e.t.Helper()
	inner := strconv.Itoa(e.await(vassal, "worker started").PID)
	for _, child := range children(pid) {
		for _, l := range lines(fmt.Sprintf("/proc/%d/status", child)) { // some have ended
			if list := strings.Fields(l); list[0] == "NSpid:" && list[len(list)-1] == inner {
				return child
			}
		}
	}
	e.t.Fatalf("worker %q is none of %v", inner, children(pid))
	return 0
}

// The same fifty reloads, measured by wrk over TCP.
func TestReloadUnderWrk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "http-socket = 127.0.0.1:7401", "listen = 1024", "processes = 2", "static-map = /="+w.dir("www", "index.html"))
	e := w.start("--emperor-use-clone=pid,fs")
	pid := e.running("a.ini")
	w.run("curl -sS --retry 20 --retry-connrefused --max-time 20 -o /dev/null http://127.0.0.1:7401/")
	wrk := w.inside("wrk", "-t1", "-c8", "-d6s", "--timeout", "30s", "http://127.0.0.1:7401/")
	var out bytes.Buffer
	wrk.Stdout, wrk.Stderr = &out, &out
	if err := wrk.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- wrk.Wait() }()
	for range 50 {
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		e.await("a.ini", "workers replaced")
	}
	select {
	case err := <-ended:
		if text := out.String(); err != nil || strings.Contains(text, "Socket errors") || strings.Contains(text, "Non-2xx") || !strings.Contains(text, "Requests/sec") {
			t.Errorf("wrk says %v\n%s", err, text)
		}
	case <-time.After(2 * patience):
		_ = wrk.Process.Kill()
		<-ended
		t.Error("wrk does not end")
	}
	e.stop(syscall.SIGTERM)
}

// A reload whose new workers do not become ready changes nothing.
func TestReloadThatFailsKeepsTheOldWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("run.sh", "exec "+storyProgram)
	w.vassal("a.ini", "command = sh "+w.path("run.sh"), "env = "+roleEnv+"=web", "http-socket = "+w.path("s/web"), "processes = 1", "ready-probe = exec:test ! -e "+w.path("broken"), "ready-timeout = 1")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	first := get(t, w.path("s/web"), "GET", "/", nil).body
	w.write("broken", "")
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "cannot reload: the old workers stay")
	eventually(t, "the new worker has left", func() bool { return len(workersOf(pid)) == 1 })
	if second := get(t, w.path("s/web"), "GET", "/", nil).body; second != first {
		t.Errorf("worker %s has taken over from %s", second, first)
	}
}

func TestTouchReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("touch", "")
	w.write("alone", "")
	w.dir("code/deep", "main.py")
	w.vassal("a.ini", asRole("web", "http-socket = "+w.path("s/web"), "touch-reload = "+w.path("touch"), "fs-reload = "+w.path("code"), "fs-reload = "+w.path("alone"))...)
	e := w.start(allNamespaces)
	e.running("a.ini")
	before := get(t, w.path("s/web"), "GET", "/", nil).body
	for _, change := range []string{"touch", "code/deep/main.py", "code/deep/new.py", "code/later", "code/later/new.py", "code/later/deeper/still/new.py", "-code/deep/new.py", "alone"} {
		switch gone, ok := strings.CutPrefix(change, "-"); {
		case ok:
			if err := os.Remove(w.path(gone)); err != nil {
				t.Fatal(err)
			}
		case strings.Contains(change, "still"): // the file exists as soon as its directories
			w.dir("other/deeper/still", "new.py")
			if err := os.Rename(w.path("other/deeper"), w.path("code/later/deeper")); err != nil {
				t.Fatal(err)
			}
		case change == "code/later":
			if err := os.Mkdir(w.path(change), 0o755); err != nil {
				t.Fatal(err)
			}
		default:
			w.write(change, "changed")
		}
		e.await("a.ini", "workers replaced")
		eventually(t, "another worker", func() bool { return get(t, w.path("s/web"), "GET", "/", nil).body != before })
		before = get(t, w.path("s/web"), "GET", "/", nil).body
	}
}

// With cheap = true the first connection starts the worker.
func TestCheapVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", asRole("web", "cheap = true", "http-socket = "+w.path("s/web"))...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	if list := workersOf(pid); len(list) > 0 {
		t.Errorf("there are workers %v", list)
	}
	worker, err := strconv.Atoi(get(t, w.path("s/web"), "GET", "/", nil).body)
	if err != nil || worker < 2 || len(workersOf(pid)) != 1 {
		t.Errorf("worker %d answered, %v; there are %v", worker, err, workersOf(pid))
	}
}

// An inetd-like program gets the socket as standard input.
func TestWorkerExec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "worker-exec = readlink /proc/self/fd/0", "exec-post-fork = echo post-fork ran", "socket = "+w.path("s/one"))
	e := w.start(allNamespaces)
	e.await("a.ini", "socket:[")
	w.vassal("b.ini", "worker-exec2 = readlink /proc/self/fd/0", "exec-post-fork = echo post-fork ran", "socket = "+w.path("s/two"))
	e.await("b.ini", "post-fork ran")
	e.await("b.ini", "socket:[")
	if e.count("a.ini", "post-fork ran") > 0 {
		t.Error("worker-exec runs after the post-fork hooks")
	}
}

func TestDaemonsBesideTheWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("daemon.sh", "echo the daemon runs; trap 'echo the daemon ends; exit 0' TERM; while :; do sleep 0.05; done")
	w.vassal("a.ini", serves, "attach-daemon = sh "+w.path("daemon.sh"))
	e := w.start(allNamespaces)
	e.await("a.ini", "the daemon runs")
	e.remove("a.ini")
	e.await("a.ini", "the daemon ends")
	e.gone("a.ini")
	w.vassal("b.ini", serves, "attach-control-daemon = sh -c 'sleep 0.2; exit 3'")
	e.await("b.ini", "a control daemon has ended")
	e.await("b.ini", "-> backoff")
}
