//go:build linux

package integration

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// soakEnv is set by make soak, which also runs the recipes of large programs.
const soakEnv = "EMPEROR_SOAK"

// recipe is a section of docs/programs.md.
type recipe struct {
	name   string
	vassal string            // the lines of its file
	files  map[string]string // of the program, by path
}

var (
	block = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	place = regexp.MustCompile(`^\S+ (/srv/\S+)\n`)
)

// recipes reads the document. A block is the vassal's file or, with its path in the first line, one
// of the program.
func recipes(t *testing.T) (list []recipe) {
	t.Helper()
	text, err := os.ReadFile("../docs/programs.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		r := recipe{name: name, files: map[string]string{}}
		for _, b := range block.FindAllStringSubmatch(rest, -1) {
			if path := place.FindStringSubmatch(b[2]); path != nil {
				r.files[path[1]] = b[2]
			} else if b[1] == "ini" {
				r.vassal = b[2]
			}
		}
		if r.vassal != "" {
			list = append(list, r)
		}
	}
	return list
}

// pour writes the files of a recipe into a directory of the world, in place of /srv.
func (r recipe) pour(w *world) (file string) {
	srv := w.path("srv")
	here := strings.NewReplacer("/srv/", srv+"/", "/srv ", srv+" ", "/srv;", srv+";", "=/srv\n", "="+srv+"\n", "= /srv\n", "= "+srv+"\n", "DefaultRuntimeDir /srv", "DefaultRuntimeDir "+srv)
	w.run("mkdir -p " + srv + "/www && echo served >" + srv + "/www/index.html")
	for path, text := range r.files {
		w.write("srv/"+strings.TrimPrefix(path, "/srv/"), here.Replace(text))
	}
	w.run("chown -R www-data:www-data " + srv)
	return here.Replace(r.vassal)
}

// dish describes the program of a recipe.
type dish struct {
	program string
	large   bool
	// setup and undo are shell commands around the story.
	setup, undo string
	// ask is a shell command that succeeds when the program answers. Empty: the program is a web
	// server.
	ask string
	// broken is a part of the recipe and its replacement by which the program cannot start. Empty:
	// the first path of its command is replaced by one that does not exist.
	broken [2]string
	// lost is the number of requests that each edit may lose; -1: any number, because the program
	// binds its own port.
	lost int
	// exit is the expected exit. Empty: clean. Killed: it does not stop in time.
	exit   string
	killed bool
}

// handshake succeeds when an SSH server shows its host key.
const handshake = "ssh-keyscan -T 20 -t ed25519 -p 2222 127.0.0.1 2>/dev/null | grep -q ssh-ed25519"

// noJobs hides the machine's own jobs from cron.
const noJobs = "mount -t tmpfs none /var/spool/cron && mount -t tmpfs none /etc/cron.d && mount --bind /dev/null /etc/crontab"

var dishes = map[string]dish{
	"nginx":                       {program: "nginx"},
	"HAProxy":                     {program: "haproxy"},
	"lighttpd":                    {program: "lighttpd"},
	"Gunicorn":                    {program: "gunicorn", broken: [2]string{"wsgi:app", "nothere:app"}, lost: 1},                               // requests that a worker has accepted and not read
	"Uvicorn":                     {program: "/usr/lib/python3/dist-packages/uvicorn", broken: [2]string{"asgi:app", "nothere:app"}, lost: 4}, // as many as there are clients: it closes accepted connections without a request
	"Node.js":                     {program: "node", large: true},
	"Puma":                        {program: "puma", large: true},
	"PHP-FPM":                     {program: "php-fpm8.2", large: true, ask: "/usr/bin/python3 -c '" + fcgiPing + "'"},
	"Caddy":                       {program: "caddy", large: true},
	"Apache":                      {program: "apache2", large: true},
	"Java":                        {program: "java", large: true, exit: "exit status 143"},
	"Redis":                       {program: "redis-server", ask: "test $(redis-cli ping) = PONG", broken: [2]string{" --save", "/nothere --save"}, lost: -1},
	"memcached":                   {program: "memcached", ask: "bash -c 'exec 3<>/dev/tcp/127.0.0.1/11211; echo version >&3; read line <&3; case $line in VERSION*) ;; *) exit 1; esac'", broken: [2]string{"-l 127.0.0.1", "-l 203.0.113.1"}, lost: -1},
	"PostgreSQL":                  {program: "/usr/lib/postgresql/15/bin/postgres", large: true, ask: "pg_isready -q -h 127.0.0.1", lost: -1, broken: [2]string{"postgres -D ", "postgres -D /nothere"}},
	"OpenSSH":                     {program: "/usr/sbin/sshd", large: true, ask: handshake, lost: -1},
	"Dropbear":                    {program: "/usr/sbin/dropbear", large: true, ask: handshake, lost: -1, exit: "exit status 1"},
	"Mosquitto":                   {program: "/usr/sbin/mosquitto", large: true, ask: "mosquitto_pub -h 127.0.0.1 -q 1 -t story -m served", lost: -1}, //nolint:misspell // its name
	"cron":                        {program: "/usr/sbin/cron", large: true, setup: noJobs, undo: "umount /var/spool/cron /etc/cron.d /etc/crontab; rm /run/crond.*", ask: `grep -q "FLOCK .*:$(stat -c %i /run/crond.pid) " /proc/locks`, broken: [2]string{"cron -f", "cron -f -Z"}, lost: -1},
	"First steps and directories": {program: "install", ask: "true", broken: [2]string{"sleep infinity", "sleep forever"}},
}

// spoil returns the recipe with a mistake that only the program detects.
func (d dish) spoil(w *world, file string) string {
	from, to := d.broken[0], d.broken[1]
	if from == "" {
		from, to = w.path("srv")+"/", w.path("nothere")+"/"
	}
	at := strings.Index(file, "\ncommand =")
	if !strings.Contains(file[at:], from) {
		w.t.Fatalf("%q is not in the recipe", from)
	}
	return file[:at] + strings.Replace(file[at:], from, to, 1)
}

// TestRecipes runs each recipe of docs/programs.md with its program.
func TestRecipes(t *testing.T) {
	t.Parallel()
	list := recipes(t)
	if len(list) != len(dishes) {
		t.Errorf("the document has %d recipes, this story %d", len(list), len(dishes))
	}
	for _, r := range list {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			d, known := dishes[r.name]
			if !known {
				t.Fatal("no story runs this recipe")
			}
			if d.large && os.Getenv(soakEnv) == "" {
				t.Skip("a large program: make soak runs it")
			}
			if _, err := exec.LookPath(d.program); err != nil && !exists(d.program) {
				t.Skip("not installed: ", err)
			}
			cook(t, r, d)
		})
	}
}

// A program that ignores SIGTERM and binds its own port is still replaced and stopped.
func TestRecipeOfADeafProgram(t *testing.T) {
	t.Parallel()
	cook(t, recipe{
		name:   "a program that ignores TERM",
		vassal: ini("uid = www-data", "gid = www-data", "reload-mercy = 1", "command = /usr/bin/python3 /srv/deaf.py", "ready-probe = http://127.0.0.1:8080/"),
		files:  map[string]string{"/srv/deaf.py": deaf},
	}, dish{lost: -1, exit: "signal: killed (its program did not stop within reload-mercy)", killed: true})
}

// deaf is a web server that ignores TERM.
const deaf = `import http.server, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"served")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Page).serve_forever()
`

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// cook runs a recipe: its program answers once it is ready, through edits and a reload, and ends as it
// should. A mistake leaves it in place. The figures are the last line of the story.
func cook(t *testing.T, r recipe, d dish) {
	w := newWorld(t)
	file := r.pour(w)
	if d.setup != "" {
		w.run(d.setup)
		defer w.run(d.undo)
	}
	edit := func(text string) { w.write("v/a.ini", text) }
	e := w.start(sharesNetwork)
	defer e.end()
	began := time.Now()
	edit(file)
	pid := e.running("a.ini")
	ready := time.Since(began)
	d.answers(w, "ready")
	ask := d.clients(w)
	reloaded := func() {
		e.await("a.ini", `"msg":"reloaded"`)
		d.answers(w, "an edit")
	}
	edit(file + "env = EDIT=good\n")
	reloaded()
	good := d.check(t, "a good edit", 1, ask())
	for i := range 6 {
		edit(file + "env = EDIT=" + string(rune('0'+i)) + "\n")
		reloaded()
	}
	row := d.check(t, "six edits in a row", 6, ask())
	edit(d.spoil(w, file))
	e.await("a.ini", `"msg":"cannot reload; the `)
	d.answers(w, "a bad edit")
	bad := d.check(t, "a bad edit", 1, ask())
	edit(file)
	reloaded()
	w.succeed("reload", "--wait", "a.ini")
	if d.ask != "" { // one that was sent a signal may read its files later, and listen again after that
		eventually(t, "it answers after the reload", func() bool { return w.inside("sh", "-c", d.ask).Run() == nil })
	}
	d.answers(w, "the reloads")
	e.undisturbed("a.ini", pid)
	before := time.Now()
	w.succeed("stop", "--wait", "a.ini")
	s := w.status("a.ini")
	if s.Exit != cmp.Or(d.exit, "exit status 0") || s.ExitKilled != d.killed {
		t.Errorf("it ended with %q", s.Exit)
	}
	t.Logf("FIGURES %s | ready and answers after %d ms | good edit %s | bad edit %s | six edits %s | stop %d ms, %s",
		r.name, ready.Milliseconds(), good, bad, row, time.Since(before).Milliseconds(), s.Exit)
}

// clients begins to ask the program and returns a function that returns the tally since its last call.
func (d dish) clients(w *world) func() visits {
	if d.ask == "" {
		v := w.visited("127.0.0.1:8080")
		v.settle()
		v.tally()
		return func() visits {
			time.Sleep(300 * time.Millisecond) // for requests that are under way
			return v.tally()
		}
	}
	var mu sync.Mutex
	var t visits
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { stop(); <-done })
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			err := w.inside("sh", "-c", d.ask).Run()
			mu.Lock()
			if err == nil {
				t.Served++
			} else {
				t.Lost++
			}
			mu.Unlock()
		}
	}()
	return func() visits {
		mu.Lock()
		defer mu.Unlock()
		now := t
		t = visits{}
		return now
	}
}

// check checks a tally over a number of edits, and returns it as a text.
func (d dish) check(t *testing.T, what string, edits int, s visits) string {
	t.Helper()
	others := d.ask == "" && len(s.Answers) != 1 // a program that is killed may break an answer off
	if s.Served == 0 || d.lost >= 0 && (s.Lost > d.lost*edits || others || d.ask == "" && !s.unread()) || d.ask == "" && s.Answers["served"] == 0 {
		t.Errorf("%s: %+v", what, s)
	}
	return fmt.Sprintf("%d of %d lost", s.Lost, s.Lost+s.Served)
}

// unread reports whether all lost requests were accepted and never read: they got no byte of an answer.
func (v visits) unread() bool {
	for text := range v.Errors {
		if text != `the status is ""` && !strings.HasSuffix(text, "connection reset by peer") {
			return false
		}
	}
	return true
}

// answers asks the program once.
func (d dish) answers(w *world, when string) {
	w.t.Helper()
	switch d.ask {
	case "":
		ask := "curl -sS -m 10 http://127.0.0.1:8080/"
		if d.lost != 0 { // a worker that ends may reset a connection that it has not read
			ask = "curl -s -m 10 --retry 2 --retry-all-errors http://127.0.0.1:8080/" // without a line for each attempt
		}
		if got := w.run(ask); got != "served" {
			w.t.Errorf("%s: it answers %q", when, got)
		}
	default:
		w.run(d.ask)
	}
}

// fcgiPing asks php-fpm for its ping page (FastCGI 1.0).
const fcgiPing = `
import socket, struct
def record(kind, data): return struct.pack("!BBHHBB", 1, kind, 1, len(data), 0, 0) + data
params = b"".join(bytes([len(k), len(v)]) + k + v for k, v in {b"SCRIPT_NAME": b"/ping", b"SCRIPT_FILENAME": b"/ping", b"REQUEST_METHOD": b"GET"}.items())
s = socket.create_connection(("127.0.0.1", 9000), 10)
s.sendall(record(1, struct.pack("!HB5x", 1, 0)) + record(4, params) + record(4, b"") + record(5, b""))
text = b""
while piece := s.recv(4096): text += piece
assert b"pong" in text, text
`
