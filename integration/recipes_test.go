//go:build linux

package integration

import (
	"cmp"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// soakEnv is set by make soak: it runs also the recipes of programs that are large.
const soakEnv = "EMPEROR_SOAK"

// recipe is a section of docs/programs.md.
type recipe struct {
	name   string
	vassal string            // the lines of its file
	files  map[string]string // those of the program, by path
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

// pour writes the files of a recipe into a directory of the world, which stands for /srv.
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

// dish is what a story knows of the program of a recipe.
type dish struct {
	program string
	large   bool
	// ask is a shell command that succeeds when the program answers. Empty: it is a web server.
	ask string
	// lost is how many requests of the story may be lost; -1: any number, it binds its own port.
	lost int
	// exit is how it ends. Empty: cleanly.
	exit string
}

var dishes = map[string]dish{
	"nginx":                       {program: "nginx"},
	"HAProxy":                     {program: "haproxy"},
	"lighttpd":                    {program: "lighttpd"},
	"Gunicorn":                    {program: "gunicorn", lost: 6}, // of those that a worker has accepted and not read
	"Uvicorn":                     {program: "/usr/lib/python3/dist-packages/uvicorn", lost: 6 * 4},
	"Node.js":                     {program: "node", large: true},
	"Puma":                        {program: "puma", large: true},
	"PHP-FPM":                     {program: "php-fpm8.2", large: true, ask: "fcgi"},
	"Caddy":                       {program: "caddy", large: true, lost: -1},
	"Apache":                      {program: "apache2", large: true, lost: -1},
	"Java":                        {program: "java", large: true, lost: -1, exit: "exit status 143"},
	"Redis":                       {program: "redis-server", ask: "test $(redis-cli ping) = PONG"},
	"memcached":                   {program: "memcached", ask: "bash -c 'exec 3<>/dev/tcp/127.0.0.1/11211; echo version >&3; read line <&3; case $line in VERSION*) ;; *) exit 1; esac'"},
	"PostgreSQL":                  {program: "/usr/lib/postgresql/15/bin/postgres", large: true, ask: "pg_isready -q -h 127.0.0.1"},
	"First steps and directories": {program: "install", ask: "true"},
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

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// cook runs a recipe: its program answers once it is ready, through a reload and edits, and ends
// as it should.
func cook(t *testing.T, r recipe, d dish) {
	w := newWorld(t)
	file := r.pour(w)
	w.write("v/a.ini", file)
	e := w.start(sharesNetwork)
	pid := e.running("a.ini")
	d.answers(w, "ready")
	if d.ask != "" {
		w.reloads(d, file, e)
	} else {
		v := w.visited("127.0.0.1:8080")
		v.settle()
		w.reloads(d, file, e)
		time.Sleep(300 * time.Millisecond)
		s := v.tally()
		t.Logf("six edits: %d served, %d lost, the slowest took %v %v", s.Served, s.Lost, s.Slowest.Round(time.Millisecond), s.Errors)
		if s.Served == 0 || d.lost >= 0 && s.Lost > d.lost || len(s.Answers) != 1 || s.Answers["served"] == 0 {
			t.Errorf("six edits: %+v", s)
		}
	}
	d.answers(w, "after the edits")
	e.undisturbed("a.ini", pid)
	before := time.Now()
	w.succeed("stop", "--wait", "a.ini")
	t.Logf("stopped after %v", time.Since(before).Round(time.Millisecond))
	if s := w.status("a.ini"); s.Exit != cmp.Or(d.exit, "exit status 0") || s.ExitKilled {
		t.Errorf("it ended with %q", s.Exit)
	}
}

// reloads gives a vassal six edits, and a reload that changes no option.
func (w *world) reloads(d dish, file string, e *emperor) {
	w.t.Helper()
	for i := range 6 {
		w.write("v/a.ini", file+"env = EDIT="+string(rune('0'+i))+"\n")
		e.await("a.ini", `"msg":"reloaded"`)
		d.answers(w, "an edit")
	}
	w.succeed("reload", "--wait", "a.ini")
}

// answers asks the program once.
func (d dish) answers(w *world, when string) {
	w.t.Helper()
	switch d.ask {
	case "fcgi":
		w.run("/usr/bin/python3 -c '" + fcgiPing + "'")
	case "":
		ask := "curl -sS -m 10 http://127.0.0.1:8080/"
		if d.lost != 0 { // a worker that ends may reset a connection that it has not read
			ask = "curl -sS -m 10 --retry 2 --retry-all-errors http://127.0.0.1:8080/"
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
