//go:build linux

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// client speaks HTTP over a unix socket, and follows no redirect.
func client(socket string) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", socket)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func TestServesStaticFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, dir := range []string{"www", "www/sub", "more"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("secret", "not for you")
	for name, text := range map[string]string{
		"index.html": "<p>index", "digits.txt": "0123456789", "style.css": "p{}", "logo.svg": "<svg/>", "sub/index.html": "<p>sub",
	} {
		w.write("www/"+name, text)
	}
	w.write("more/page.html", "<p>more")
	if err := os.Symlink(w.path("secret"), w.path("www/link")); err != nil {
		t.Fatal(err)
	}
	socket := w.path("s/http")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "http-socket = "+socket, "static-map = /="+w.path("www"), "static-map = /more="+w.path("more"))
	e := w.start(allNamespaces)
	e.running("a.ini")
	modified := get(t, socket, "GET", "/digits.txt", nil).header.Get("Last-Modified")
	for _, tt := range []struct {
		method, path string
		header       http.Header
		status       int
		body, kind   string
	}{
		{"GET", "/", nil, 200, "<p>index", "text/html; charset=utf-8"},
		{"GET", "/more/page.html", nil, 200, "<p>more", "text/html; charset=utf-8"},
		{"GET", "/style.css", nil, 200, "p{}", "text/css; charset=utf-8"},
		{"GET", "/logo.svg", nil, 200, "<svg/>", "image/svg+xml"},
		{"GET", "/digits.txt", nil, 200, "0123456789", "text/plain; charset=utf-8"},
		{"HEAD", "/digits.txt", nil, 200, "", "text/plain; charset=utf-8"},
		{"GET", "/digits.txt", http.Header{"Range": {"bytes=2-4"}}, 206, "234", ""},
		{"GET", "/digits.txt", http.Header{"Range": {"bytes=20-"}}, 416, "", ""},
		{"GET", "/digits.txt", http.Header{"If-Modified-Since": {modified}}, 304, "", ""},
		{"GET", "/digits.txt", http.Header{"If-Modified-Since": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, 200, "0123456789", ""},
		{"GET", "/sub", nil, 301, "", ""},
		{"GET", "/sub/", nil, 200, "<p>sub", ""},
		{"GET", "/missing", nil, 404, "", ""},
		{"GET", "/link", nil, 404, "", ""},
		{"GET", "/../secret", nil, 404, "", ""},
		{"GET", "/%2e%2e/secret", nil, 404, "", ""},
		{"GET", "/sub/..%2f..%2fsecret", nil, 404, "", ""},
		{"GET", "/more/../../secret", nil, 404, "", ""},
		{"DELETE", "/digits.txt", nil, 405, "", ""},
	} {
		got := get(t, socket, tt.method, tt.path, tt.header)
		kind := got.header.Get("Content-Type")
		if got.status != tt.status || tt.body != "" && got.body != tt.body || tt.kind != "" && kind != tt.kind || strings.Contains(got.body, "not for you") {
			t.Errorf("%s %s %v: %d %q %q, want %d %q %q", tt.method, tt.path, tt.header, got.status, kind, got.body, tt.status, tt.kind, tt.body)
		}
	}
	e.remove("a.ini")
	e.gone("a.ini")
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// get sends a request with the path unchanged.
func get(t *testing.T, socket, method, path string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://vassal/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = path
	maps.Copy(r.Header, header)
	response, err := client(socket).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// listens waits until a process listens on a socket: the path exists a moment earlier.
func listens(t *testing.T, socket string) {
	t.Helper()
	eventually(t, "a process listens on "+socket, func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func TestServesByCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.path("s/one"), w.path("s/two")
	w.vassal("a.ini", append(asApplication("command", `plain "two words" 'it is $HOME' a\ b`), "uid = 4001", "gid = 4001", "chdir = /srv",
		"env = COLOUR=blue", "http-socket = "+first, "socket = "+second)...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	said := ask(t, first)
	if got, want := said.Args[1:], []string{"plain", "two words", "it is $HOME", "a b"}; !slices.Equal(got, want) {
		t.Errorf("arguments %q, want %q", got, want)
	}
	if said.ListenFDs != "2" || said.ListenPID != strconv.Itoa(said.PID) || said.ListenNames != "http-socket:socket" {
		t.Errorf("LISTEN_FDS=%s LISTEN_PID=%s LISTEN_FDNAMES=%s in process %d", said.ListenFDs, said.ListenPID, said.ListenNames, said.PID)
	}
	if said.Dir != "/srv" || !slices.Contains(said.Env, "COLOUR=blue") {
		t.Errorf("it runs in %s with %q", said.Dir, said.Env)
	}
	for _, v := range said.Env {
		if strings.HasPrefix(v, "UWSGI_") || strings.HasPrefix(v, "EMPEROR_") {
			t.Errorf("it knows %s", v)
		}
	}
	worker := children(pid)
	if len(worker) != 1 {
		t.Fatalf("the vassal has the children %v, want one", worker)
	}
	if err := syscall.Kill(worker[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := ask(t, first) // waits in the socket's queue
	if again.PID == said.PID {
		t.Error("a dead worker answers")
	}
	if now := children(pid); len(now) != 1 || now[0] == worker[0] {
		t.Errorf("the vassal has the children %v after %d died", now, worker[0])
	}
	if e.count("a.ini", "-> running") != 1 {
		t.Error("the vassal itself was started again")
	}
}

func TestBecomesAnotherProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/own")
	w.vassal("a.ini", append(asApplication("unprivileged-binary-patch-arg", socket+` "two words"`), "uid = 4001", "gid = 4001")...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	listens(t, socket)
	said := ask(t, socket)
	if said.PID != 1 || len(said.Args) != 3 || said.Args[2] != "two words" {
		t.Errorf("process %d with %q", said.PID, said.Args)
	}
	if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); exe != storyProgram {
		t.Errorf("the vassal runs %s", exe)
	}
	if status(t, pid, "Uid") != "4001 4001 4001 4001" {
		t.Error("it is not the user that it should be")
	}
	for _, p := range w.processes() {
		if strings.Contains(p, filepath.Join(os.Getenv(binEnv), "vassal")) {
			t.Errorf("a process of ours stays: %s", p)
		}
	}
	e.remove("a.ini")
	e.gone("a.ini")
}

// A program that replaces the vassal gets its sockets. Sockets that only root may bind are
// bound before the drop.
func TestSocketsOfAnotherProgram(t *testing.T) {
	t.Parallel()
	for option, uid := range map[string]string{"unprivileged-binary-patch": "4001", "privileged-binary-patch": "0"} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			one, two := w.path("s/one"), w.path("s/two")
			w.vassal("a.ini", "env = "+roleEnv+"=application", option+" = "+storyProgram, "uid = 4001", "gid = 4001", "hook-asap = ifup:lo",
				"shared-socket = 127.0.0.1:80", "http-socket = "+one, "socket = =0", "socket = "+two)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			said := ask(t, one)
			// The vassal stays as process 1 above a privileged program.
			if said.ListenFDs != "3" || said.ListenPID != strconv.Itoa(said.PID) || (said.PID == 1) != (uid == "4001") || said.ListenNames != "http-socket:socket:socket" {
				t.Errorf("process %d has LISTEN_FDS=%s LISTEN_PID=%s LISTEN_FDNAMES=%s", said.PID, said.ListenFDs, said.ListenPID, said.ListenNames)
			}
			for fd, link := range said.Descriptors {
				if n, err := strconv.Atoi(fd); err != nil || n > 5 {
					t.Errorf("it has %s: %s", fd, link)
				}
			}
			if got := status(t, pid, "Uid"); got != strings.Join([]string{uid, uid, uid, uid}, " ") {
				t.Errorf("it runs as %s", got)
			}
			in(t, pid, "ss -ltn | grep -q 127.0.0.1:80")
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if next := e.running("a.ini"); next == pid { // the paths still exist
				t.Error("it is the same process")
			}
			ask(t, one)
		})
	}
}

// As the first process of its namespace the vassal is the parent of all orphans.
func TestFirstProcessReaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("spawner.sh", `for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'sleep 0.1' & ) ; done; echo all are orphans; exec sleep 1000000`)
	w.vassal("a.ini", "command = sh "+w.path("spawner.sh"))
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", "all are orphans")
	eventually(t, "the vassal has one child, the worker", func() bool { return len(children(pid)) == 1 })
}

func TestFirstProcessForwardsSignals(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("listener.sh", `trap 'echo got the end; exit 0' TERM INT; echo listening; while :; do sleep 0.05; done`)
			w.vassal("a.ini", "command = sh "+w.path("listener.sh"))
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			e.await("a.ini", "listening")
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
			e.await("a.ini", "got the end")
			if s == syscall.SIGHUP { // a reload: the next listens before the last is asked to end
				e.await("a.ini", "workers replaced")
				return
			}
			eventually(t, "the vassal is dead", func() bool { return !alive(pid) })
		})
	}
}

// A vassal without a process that serves does not count as running.
func TestCommandThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = /no/such/program --now")
	e := w.start(allNamespaces, "--emperor-backoff", "1000") // which a vassal that is removed does not wait for
	said := e.await("a.ini", "/no/such/program")
	if !strings.Contains(said.Msg, "it is not there") {
		t.Errorf("the message is %q", said.Msg)
	}
	e.await("a.ini", "-> backoff")
	if e.count("a.ini", "-> running") > 0 {
		t.Error("it ran")
	}
	e.remove("a.ini")
	e.gone("a.ini")
}

// The statistics of a vassal cover all its workers, and continue counting when one is
// replaced.
func TestStatisticsOfAllWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www") + " && echo page >" + w.path("www/index.html"))
	socket, stats := w.path("s/web"), w.path("s/stats")
	w.vassal("a.ini", "http-socket = "+socket, "stats = "+stats, "processes = 3", "static-map = /="+w.path("www"))
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	type worker struct {
		ID, PID                      int
		Requests, RSS, Accepting, Tx int64
		Respawns                     int   `json:"respawn_count"`
		Delta                        int64 `json:"delta_requests"`
	}
	tell := func() (list []worker) {
		t.Helper()
		c, err := netDial("unix", stats)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var all struct{ Workers []worker }
		if err := json.NewDecoder(c).Decode(&all); err != nil {
			t.Fatal(err)
		}
		return all.Workers
	}
	eventually(t, "three workers accept", func() bool { return len(tell()) == 3 })
	for range 30 {
		get(t, socket, http.MethodGet, "/", nil)
	}
	requests := func() (sum int64) {
		for _, w := range tell() {
			sum += w.Requests
		}
		return sum
	}
	eventually(t, "thirty requests are counted", func() bool { return requests() == 30 })
	for _, w := range tell() {
		if w.RSS == 0 || w.Accepting != 1 || w.Respawns != 1 {
			t.Errorf("a worker tells %+v", w)
		}
	}
	if err := syscall.Kill(children(pid)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is replaced, and nothing is forgotten", func() bool {
		list := tell()
		return len(list) == 3 && requests() == 30 && slices.ContainsFunc(list, func(w worker) bool { return w.Respawns == 2 && w.Delta == 0 })
	})
	e.stop(syscall.SIGTERM)
}
