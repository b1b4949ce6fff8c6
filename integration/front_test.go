//go:build linux

package integration

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// wsgiApp describes its request, and the sockets that its server inherited.
const wsgiApp = `def application(env, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    body = env["wsgi.input"].read() if env.get("CONTENT_LENGTH") else b""
    said = [env["REQUEST_METHOD"], env["PATH_INFO"], env["QUERY_STRING"], env["REMOTE_ADDR"], env.get("HTTPS", "-"), env["HTTP_HOST"], env["SERVER_PORT"],
            str(len(body)), env.get("UWSGI_ROUTER", "-"), env.get("HTTP_X_FORWARDED_PROTO", "-")]
    return [" ".join(said).encode()]
`

// asWsgi returns a vassal's command that is uWSGI with that application; ours is its own
// master.
func (w *world) asWsgi(protocol string) string {
	w.write("app.py", wsgiApp)
	return "command = " + uwsgi + " --plugin python3 --die-on-term --protocol " + protocol + " --wsgi-file " + w.path("app.py")
}

// TestRouterAsInUwsgi: behind http = ADDRESS an application gets the same request under both
// programs, and files are served. A vassal with a user can have port 80, for which uWSGI needs
// a shared socket.
func TestRouterAsInUwsgi(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.dir("www", "a.txt")
	w.write("app.py", wsgiApp)
	files := "static-map = /s=" + w.path("www")
	requests := []string{
		"http://127.0.0.1/a%20b/c?x=1", "-d text http://127.0.0.1/post", "http://127.0.0.1/s/a.txt", "-H X-Forwarded-Proto:https http://127.0.0.1/p",
		"-H Host:site:8 http://127.0.0.1/host",
	}
	answers := func() (all []string) {
		for _, r := range requests {
			all = append(all, w.run("curl -s -m 10 "+r))
		}
		return all
	}
	w.write("u.ini", ini("master = true", "die-on-term = true", "uid = 4001", "gid = 4001", "shared-socket = :80", "http = =0", "socket = "+w.path("s/u"), files,
		"plugins = http,python3", "wsgi-file = "+w.path("app.py")))
	stop, log := w.uwsgiBy(t, w.at(w.base, uwsgi, "--ini", "u.ini"))
	eventually(t, "uWSGI serves", func() bool { return strings.Contains(log(), "spawned uWSGI worker") })
	want := answers()
	stop()
	for name, options := range map[string][]string{
		"router": {"http = :80", "socket = " + w.path("s/a"), w.asWsgi("uwsgi --static-map /s=" + w.path("www"))},
		"files":  {"http = :80", "socket = " + w.path("s/b"), files, w.asWsgi("uwsgi")},
		"port":   {"http = :80", "socket = 127.0.0.1:3031", files, w.asWsgi("uwsgi")},
		"shared": {"shared-socket = :80", "http = =0", "socket = " + w.path("s/c"), files, w.asWsgi("uwsgi")},
	} {
		w.vassal(name+".ini", append([]string{"uid = 4001", "gid = 4001"}, options...)...)
		e := w.start()
		e.running(name + ".ini")
		got := answers()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, uWSGI answers %q", name, got, want)
		}
		e.stop(syscall.SIGTERM)
		w.remove(name + ".ini")
	}
}

// TestOnlyRouterIsHandedOver: without another socket the command inherits the router's.
func TestOnlyRouterIsHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.path("s/http")
	w.vassal("a.ini", append(asApplication("command", ""), "uid = 4001", "gid = 4001", "http = "+at, "chmod-socket = 666")...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	said := ask(t, at)
	if said.ListenFDs != "1" || said.ListenNames != "http" || len(children(pid)) != 1 {
		t.Errorf("LISTEN_FDS=%s LISTEN_FDNAMES=%s, children %v", said.ListenFDs, said.ListenNames, children(pid))
	}
	e.stop(syscall.SIGTERM)
}

// TestFilesBeforeACommand: the built-in server has the socket and the command has one behind
// it, by the same name. Either may die, and a reload loses no request.
func TestFilesBeforeACommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dir("www", "a.txt")
	public := w.path("s/http")
	options := []string{
		"uid = 4001", "gid = 4001", "http-socket = " + public, "chmod-socket = 666", "static-map = /s=" + w.path("www"), "processes = 2",
		"env = " + roleEnv + "=web", "command = " + storyProgram,
	}
	w.vassal("a.ini", options...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	if got := get(t, public, "GET", "/s/a.txt", nil); got.status != 200 || got.body != "a page" {
		t.Errorf("a file: %+v", got)
	}
	app := func() bool {
		t.Helper()
		got := get(t, public, "GET", "/app", nil)
		_, err := strconv.Atoi(got.body)
		if got.status != 200 || err != nil {
			t.Errorf("the command answers %+v", got)
		}
		return err == nil
	}
	if !app() {
		t.Error("the command does not answer")
	}
	if left := in(t, pid, "ls -d /run/.vassal* /tmp/.vassal* 2>/dev/null || echo none"); left != "none" {
		t.Errorf("left in the file system: %s", left)
	}
	for _, worker := range children(pid) {
		if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if !app() { // waits in the queue
		t.Error("after the death of all workers")
	}
	var lost atomic.Int64
	var visitors sync.WaitGroup
	over := make(chan struct{})
	for range 4 {
		visitors.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if a, err := client(public).Get("http://site/app"); err != nil || a.StatusCode != http.StatusOK {
					lost.Add(1)
				} else {
					a.Body.Close()
				}
			}
		})
	}
	for i := range 3 {
		w.vassal("a.ini", append(slices.Clone(options), "add-header = X-Time: "+strconv.Itoa(i))...)
		eventually(t, "the new server answers", func() bool { return get(t, public, "GET", "/s/a.txt", nil).header.Get("X-Time") == strconv.Itoa(i) })
	}
	close(over)
	visitors.Wait()
	if n := lost.Load(); n > 0 {
		t.Errorf("%d requests were lost", n)
	}
	eventually(t, "the same process goes on", func() bool { now := w.status("a.ini"); return now.PID == pid && now.State == "running" })
	e.stop(syscall.SIGTERM)
}

// TestTLSBeforeACommand: the command of an https socket speaks plain HTTP.
func TestTLSBeforeACommand(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.run("cd " + w.base + " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out crt -days 2 -subj /CN=site 2>&1 && chmod 644 key")
	pair := "," + w.path("crt") + "," + w.path("key")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "https = :443"+pair, w.asWsgi("http"))
	w.vassal("b.ini", "uid = 4001", "gid = 4001", "https = :444"+pair, "socket = "+w.path("s/b"), w.asWsgi("uwsgi"))
	w.vassal("c.ini", "uid = 4001", "gid = 4001", "https-socket = :8443"+pair, w.asWsgi("http"))
	e := w.start()
	for name, want := range map[string]string{
		"a.ini 443": "GET /x  0.0.0.0 - 127.0.0.1 80 0 - https", "b.ini 444": "GET /x  127.0.0.1 on 127.0.0.1:444 444 0 http -",
		"c.ini 8443": "GET /x  0.0.0.0 - 127.0.0.1:8443 80 0 - https",
	} {
		file, port, _ := strings.Cut(name, " ")
		e.running(file)
		if got := w.run("curl -sk -m 10 https://127.0.0.1:" + port + "/x"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	e.stop(syscall.SIGTERM)
}

// TestStatusOfARuleAsInUwsgi: return and break-with-status answer as uWSGI's do.
func TestStatusOfARuleAsInUwsgi(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	rules := []string{
		"route = ^/a return:200", "route = ^/b return:418", "route = ^/c break-with-status:404", "route = ^/d return:301 words", "route = ^/e break:403 Forbidden",
		"check-static = " + w.dir("www", "f"), "error-page-404 = " + w.path("page"),
	}
	w.write("page", "a page of ours")
	answers := func(port string) (all []string) {
		for _, path := range []string{"/a", "/b", "/c", "/d"} {
			all = append(all, w.run(`curl -s -m 10 -w ' %{http_code} %{content_type}' http://127.0.0.1:`+port+path))
		}
		return append(all, w.run("curl -s -m 10 -o /dev/null -w %{http_code} http://127.0.0.1:"+port+"/e"))
	}
	w.write("u.ini", ini(append(rules, "http-socket = 127.0.0.1:7001")...))
	stop, _ := w.uwsgiBy(t, w.at(w.base, uwsgi, "--ini", "u.ini"))
	eventually(t, "uWSGI serves", func() bool { return w.run("curl -s -m 5 http://127.0.0.1:7001/a || :") == "OK" })
	want := answers("7001")
	stop()
	w.vassal("a.ini", append(rules, "http-socket = 127.0.0.1:7002", "uid = 4001", "gid = 4001")...)
	e := w.start()
	e.running("a.ini")
	if got := answers("7002"); !slices.Equal(got, want) {
		t.Errorf("%q, uWSGI answers %q", got, want)
	}
	if got := w.run("curl -s -m 10 http://127.0.0.1:7002/none"); got != "a page of ours" {
		t.Errorf("the page: %q", got)
	}
	e.stop(syscall.SIGTERM)
}
