//go:build linux

package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// needs skips a story whose program is not installed.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
}

// sharesNetwork are namespaces of vassals whose ports the world's clients reach.
const sharesNetwork = "--emperor-use-clone=pid,uts,ipc,fs"

// asgiPage and wsgiPage are applications that answer with their name. Slow ones start with a
// delay.
const (
	asgiPage = `import time
time.sleep(%s)
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [[b"content-length", b"%d"]]})
        await send({"type": "http.response.body", "body": b"%s"})
`
	wsgiPage = `import time
time.sleep(%s)
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "%d")])
    return [b"%s"]
`
	nodeApp = `const http = require("http"); const name = process.argv[2];
if (name === "broken") throw new Error("no such application");
const server = http.createServer((q, a) => a.end(name));
setTimeout(() => server.listen({fd: 3}), name === "slow" ? 3000 : 0);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
`
)

// applications are servers that get a socket, each with the lines of its file for an application
// of a given name.
func applications(w *world) map[string]func(name string) []string {
	for name, wait := range map[string]string{"one": "0", "two": "0", "slow": "3"} {
		w.write(w.path("a_"+name+".py"), fmt.Sprintf(asgiPage, wait, len(name), name))
		w.write(w.path("w_"+name+".py"), fmt.Sprintf(wsgiPage, wait, len(name), name))
	}
	w.write(w.path("app.js"), nodeApp)
	const probe = "ready-probe = http://127.0.0.1:8080/"
	// gunicorn may lose the exception by which it ends when both of its workers fail to boot at once.
	// It then runs without workers until it is stopped, so its readiness has a limit.
	const limit = "ready-timeout = 15"
	common := []string{"http-socket = 127.0.0.1:8080", "uid = 4001", "gid = 4001", "chdir = " + w.base, "env = PYTHONDONTWRITEBYTECODE=1"}
	with := func(more ...string) []string { return append(common[:len(common):len(common)], more...) }
	return map[string]func(string) []string{
		"uvicorn": func(name string) []string {
			return with("command = /usr/bin/python3 -m uvicorn --fd 3 a_"+name+":app", probe)
		},
		"gunicorn probed": func(name string) []string {
			return with("command = gunicorn --worker-tmp-dir /dev/shm -w 2 w_"+name+":app", probe, limit)
		},
		"gunicorn behind the server": func(name string) []string {
			return with("command = gunicorn --worker-tmp-dir /dev/shm -w 2 w_"+name+":app", probe, limit, "static-map = /static="+w.base)
		},
		"gunicorn notifies": func(name string) []string {
			return with("command = gunicorn --worker-tmp-dir /dev/shm -w 2 --preload w_"+name+":app", "notify-ready = true")
		},
		"node": func(name string) []string {
			return with("command = node "+w.path("app.js")+" "+name, "notify-ready = false", probe)
		},
	}
}

// A wrong edit keeps the old application, an edit that starts slowly lets it serve meanwhile, and
// any number of good edits in a row lose no request.
func TestReloadsOfApplications(t *testing.T) {
	t.Parallel()
	for server := range applications(newWorld(t)) {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			if program := strings.Fields(server)[0]; program != "uvicorn" {
				needs(t, program)
			} else if out, err := exec.Command("/usr/bin/python3", "-c", "import uvicorn").CombinedOutput(); err != nil {
				t.Skip(string(out))
			}
			w := newWorld(t)
			file := applications(w)[server]
			w.vassal("a.ini", file("one")...)
			e := w.start(sharesNetwork)
			pid := e.running("a.ini")
			v := w.visited("127.0.0.1:8080")
			v.settle()
			v.tally()

			w.vassal("a.ini", file("broken")...)
			e.await("a.ini", "cannot reload; the vassal continues as before")
			if out, code := w.command("reload", "--wait", "a.ini"); code != 1 {
				t.Errorf("a bad edit: reload --wait ends with %d: %s", code, out)
			}
			v.served("a bad edit", "one")

			w.vassal("a.ini", file("slow")...)
			e.await("a.ini", "reloaded")
			time.Sleep(200 * time.Millisecond)
			each := 0 // lost by the end of one application
			if server == "uvicorn" {
				each = 4 // it drops accepted requests that it has not read when it is stopped
			}
			v.servedBut("a slow start", each, "one", "slow")
			for range 6 {
				w.vassal("a.ini", file("two")...)
				w.succeed("reload", "--wait", "a.ini")
			}
			v.servedBut("good edits", 6*each, "one", "slow", "two") // one: a request from before the slow start
			eventually(t, "only the new one answers", func() bool { return len(v.tally().Answers) == 1 })
			if s := w.status("a.ini"); s.PID != pid || s.ReloadGap != 0 {
				t.Errorf("status %+v", s)
			}
			e.undisturbed("a.ini", pid)
		})
	}
}

// redis keeps its data through good and bad edits, because only one instance runs at a time.
func TestReloadsOfRedis(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server", "redis-cli")
	w := newWorld(t)
	socket := w.path("s/redis")
	w.run("mkdir " + w.path("data") + " && chown 4001:4001 " + w.path("data"))
	file := func(more string) []string {
		return []string{
			"uid = 4001", "gid = 4001", "ready-probe = exec:redis-cli -s " + socket + " ping",
			"command = redis-server --port 0 --unixsocket " + socket + " --unixsocketperm 777 --dir " + w.path("data") + " --save 3600 1 --daemonize no " + more,
		}
	}
	redis := func(words string) string { return w.run("redis-cli -s " + socket + " " + words) }
	w.vassal("redis.ini", file("")...)
	w.vassal("other.ini", "command = sleep 1000000")
	e := w.start(sharesNetwork)
	e.running("redis.ini")
	redis("set key value")
	w.vassal("redis.ini", file("--maxmemory 100mb")...)
	e.await("redis.ini", "reloaded")
	if got := redis("get key") + redis("config get maxmemory"); got != "valuemaxmemory\n104857600" {
		t.Errorf("after an edit: %q", got)
	}
	s := w.status("redis.ini")
	if s.ReloadGap == 0 || s.ReloadGap > 20000 {
		t.Errorf("the gap is %d ms", s.ReloadGap)
	}
	if out := w.succeed("status", "redis.ini"); !strings.Contains(out, fmt.Sprintf("reload gap       %d ms without a worker", s.ReloadGap)) {
		t.Errorf("status says %s", out)
	}
	redis("set key2 value2")
	w.vassal("redis.ini", file("--maxmemory nonsense")...)
	e.await("redis.ini", "cannot reload; the old configuration was started again")
	if got := redis("get key2"); got != "value2" {
		t.Errorf("after a reload that has failed: %q", got)
	}
	if s := w.status("redis.ini"); !strings.Contains(s.ReloadError, "; the old configuration was started again") || s.ReloadGap == 0 {
		t.Errorf("status %+v", s)
	}
	if r := w.list()["redis.ini"]; !strings.Contains(r.Error, "ended: exit status 1, its last words: argument must be a memory value; the old configuration was started again") {
		t.Errorf("the list says %q", r.Error)
	}
	if got := redis("config get maxmemory"); got != "maxmemory\n104857600" {
		t.Errorf("after a bad edit: %q", got)
	}
	if out, code := w.command("reload", "--all", "--wait"); code != 1 || !strings.Contains(out, "redis.ini: ") || !strings.Contains(out, "other.ini: running") {
		t.Errorf("reload --all ends with %d: %s", code, out)
	}
}

// memcached, which binds its own port, applies an edit. When its file makes both instances run at
// once, the log has the reason and the remedy, and an edit applies the remedy.
func TestReloadsOfAProgramWithItsOwnPort(t *testing.T) {
	t.Parallel()
	needs(t, "memcached")
	w := newWorld(t)
	file := func(size string, more ...string) []string {
		return append([]string{"uid = 4001", "gid = 4001", "command = memcached -l 127.0.0.1 -p 11311 -U 0 -m " + size, "ready-probe = tcp:127.0.0.1:11311"}, more...)
	}
	size := func() string {
		return w.run(`/usr/bin/python3 -c 'import socket; s=socket.create_connection(("127.0.0.1",11311)); s.sendall(b"stats settings\r\nquit\r\n"); print(s.makefile().read())' | grep maxbytes`)
	}
	w.vassal("a.ini", file("10")...)
	e := w.start(sharesNetwork)
	pid := e.running("a.ini")
	w.vassal("a.ini", file("20")...)
	e.await("a.ini", "reloaded")
	if got := size(); !strings.Contains(got, " 20971520") {
		t.Errorf("after an edit: %s", got)
	}
	w.vassal("a.ini", file("30", "reload-order = start-first")...)
	e.await("a.ini", "cannot reload; the vassal continues as before")
	out, code := w.command("reload", "a.ini", "--wait")
	if code != 1 || !strings.Contains(out, "in use (an old worker may have it: reload-order = stop-first)") {
		t.Errorf("reload ends with %d: %s", code, out)
	}
	if got := size(); !strings.Contains(got, " 20971520") {
		t.Errorf("after a bad edit: %s", got)
	}
	w.vassal("a.ini", file("40", "reload-order = stop-first")...)
	e.await("a.ini", "reloaded")
	if got := size(); !strings.Contains(got, " 41943040") {
		t.Errorf("with the remedy: %s", got)
	}
	e.undisturbed("a.ini", pid)
	w.vassal("a.ini", file("50", "exit-on-reload = true")...)
	eventually(t, "exit-on-reload of the new file counts, and the gap is told", func() bool {
		s := w.status("a.ini")
		return s.State == "running" && s.Generation == 2 && s.PID != pid && s.ReloadGap > 0
	})
	if got := size(); !strings.Contains(got, " 52428800") {
		t.Errorf("with exit-on-reload: %s", got)
	}
}

// ownPort is a program that binds its own port.
const ownPort = `import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"own")
http.server.HTTPServer(("127.0.0.1", 8095), Page).serve_forever()
`

// An edit changes a port that the program binds to one that the vassal passes on.
func TestOwnPortBecomesASocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.path("p.py"), ownPort)
	w.write(w.path("index.html"), "handed")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "command = python3 "+w.path("p.py"), "ready-probe = tcp:127.0.0.1:8095")
	e := w.start(sharesNetwork)
	e.running("a.ini")
	v := w.visited("127.0.0.1:8095")
	eventually(t, "the program serves", func() bool { return v.tally().Answers["own"] > 0 })
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "http-socket = 127.0.0.1:8095", "static-map = /="+w.path("index.html"))
	eventually(t, "the vassal serves", func() bool { return v.tally().Answers["handed"] > 0 })
	if s := w.status("a.ini"); s.Generation != 2 {
		t.Errorf("generation %d", s.Generation)
	}
}

// An edit changes a port that the vassal passes on to one that the program binds.
func TestSocketBecomesAnOwnPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.path("p.py"), ownPort)
	w.write(w.path("index.html"), "handed")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "http-socket = 127.0.0.1:8095", "static-map = /="+w.path("index.html"))
	e := w.start(sharesNetwork)
	e.running("a.ini")
	v := w.visited("127.0.0.1:8095")
	eventually(t, "the vassal serves", func() bool { return v.tally().Answers["handed"] > 0 })
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "command = python3 "+w.path("p.py"), "ready-probe = tcp:127.0.0.1:8095")
	eventually(t, "the program serves", func() bool { return v.tally().Answers["own"] > 0 })
	if s := w.status("a.ini"); s.Generation != 2 {
		t.Errorf("generation %d", s.Generation)
	}
}

// nginx reads its own files again after a touch, and is replaced after an edit.
func TestReloadSignalOfNginx(t *testing.T) {
	t.Parallel()
	needs(t, "nginx")
	w := newWorld(t)
	page := func(text string) {
		w.write(w.path("nginx.conf"), `pid `+w.path("s/nginx.pid")+`; error_log stderr; worker_processes 1; daemon off; events {}
http { access_log off; client_body_temp_path `+w.path("s/b")+`; proxy_temp_path `+w.path("s/p")+`; fastcgi_temp_path `+w.path("s/f")+`; uwsgi_temp_path `+w.path("s/u")+`; scgi_temp_path `+w.path("s/g")+`;
server { listen 127.0.0.1:8090; location / { return 200 "`+text+`"; } } }
`)
	}
	file := func(more string) {
		w.vassal("a.ini", "uid = 4001", "gid = 4001", "command = /usr/sbin/nginx -e stderr -c "+w.path("nginx.conf")+more,
			"ready-probe = http://127.0.0.1:8090/", "reload-signal = HUP", "stop-signal = QUIT")
	}
	page("one")
	file("")
	e := w.start(sharesNetwork)
	pid := e.running("a.ini")
	v := w.visited("127.0.0.1:8090")
	first := workersOf(pid)
	page("two")
	w.run("touch " + w.path("v/a.ini"))
	e.await("a.ini", "reloaded")
	eventually(t, "it has read its file", func() bool {
		s := v.tally()
		return s.Lost == 0 && len(s.Answers) == 1 && s.Answers["two"] > 0
	})
	if now := workersOf(pid); fmt.Sprint(now) != fmt.Sprint(first) {
		t.Errorf("a touch has replaced %v by %v", first, now)
	}
	file(" -g 'env X;'")
	e.await("a.ini", "reloaded")
	if now := workersOf(pid); fmt.Sprint(now) == fmt.Sprint(first) {
		t.Errorf("an edit has not replaced %v", first)
	}
	e.undisturbed("a.ini", pid)
}

// A vassal that has only daemons is ready when one of them answers.
func TestProbeOfDaemons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := w.path("open")
	w.write(w.path("late.py"), lateServer)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "attach-daemon = python3 "+w.path("late.py")+" "+open, "ready-probe = http://127.0.0.1:8080/health")
	e := w.start(sharesNetwork)
	e.await("a.ini", "waits")
	time.Sleep(300 * time.Millisecond)
	if n := e.count("a.ini", "-> running"); n != 0 {
		t.Error("it runs before it is ready")
	}
	w.write(open, "")
	e.running("a.ini")
}
