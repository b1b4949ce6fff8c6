package directboot

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/wire"
)

var serves = []string{"uid = 4001", "gid = 4001", "http-socket = /run/a", "static-map = /=/usr"}

// A vassal whose only process can be the server boots it; others need a master.
func TestServerAlone(t *testing.T) {
	for _, c := range []struct {
		line string
		want bool
	}{
		{"", true},
		{"add-header = A: b", true},
		{"stats = /run/stats", true},
		{"https-socket = :443,/a.crt,/a.key", true},
		{"http-to = 127.0.0.1:80", true},
		{"heartbeat = 1", true},
		{"no-new-privileges = true", true},
		{"cgi = /cgi=/usr/lib/cgi-bin", false},
		{"processes = 2", false},
		{"command = sleep 5", false},
		{"attach-daemon = sleep 5", false},
		{"exec-as-user = true", false},
		{"idle = 5", false},
		{"cheap = true", false},
		{"touch-reload = /run/b", false},
		{"pty-socket = /run/b", false},
		{"ready-probe = http://127.0.0.1:80/", false},
		{"fallback-config = /b.ini", false},
		{"http = :80", false},
		{"die-on-term = false", false},
		{"worker-reload-mercy = 5", false},
		{"private-tmp = true", false},
		{"system-call-filter = default", false},
		{"procname = a", false},
	} {
		b := bootOf(t, append(slices.Clone(serves), c.line)...)
		if got := b != nil && b.Program() == ""; got != c.want {
			t.Errorf("%s: %v", c.line, got)
		}
	}
}

// The server gets its channels, its sockets and its options.
func TestServerList(t *testing.T) {
	b := bootOf(t, append(serves, "env = A=b", "chdir = /")...)
	r := request()
	r.Name = "a.ini"
	if _, err := b.List(r); err == nil {
		t.Error("without a server")
	}
	r.Server = os.Stdin
	l, err := b.List(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Steps(); got[len(got)-1] != "become another program" || !slices.Contains(got, "bind sockets") || slices.Contains(got, "limit resources") {
		t.Errorf("the steps are %q", got)
	}
	if want := len(r.Files) + 2; len(l.Files) != want {
		t.Errorf("%d descriptors, want %d", len(l.Files), want)
	}
	var o wire.Order
	if o.Server = b.Server(b); o.Server == nil {
		t.Fatal("it cannot reload")
	}
	options, err := serving.Decode(o.Server)
	if err != nil {
		t.Fatal(err)
	}
	s := options.Sole
	if len(s.Sockets) != 1 || s.Sockets[0].Name != "http-socket" || s.Sockets[0].Address != "/run/a" || !strings.HasPrefix(s.Sockets[0].Place, "/v/a.ini:4: http-socket") {
		t.Errorf("the sockets are %+v", s.Sockets)
	}
	if s.UID != -1 || s.Mode != -1 || s.Mercy == 0 || s.Ready == 0 || len(options.StaticMaps) != 1 {
		t.Errorf("%+v", options)
	}
}

// A running server takes over its options and sockets, and nothing else.
func TestServerTakesOver(t *testing.T) {
	running := bootOf(t, append(serves, "env = A=b", "chdir = /")...)
	for _, c := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"the same", append(serves, "env = A=b", "chdir = /"), true},
		{"another header", append(serves, "chdir = /", "add-header = A: b"), true},
		{"another socket", append(serves, "chdir = /", "http-socket = :80"), true},
		{"another time", append(serves, "chdir = /", "reload-mercy = 7", "ready-timeout = 7"), true},
		{"another variable", append(serves, "chdir = /", "env = A=c"), true},
		{"another time zone", append(serves, "chdir = /", "env = TZ=UTC"), false},
		{"another directory", append(serves, "chdir = /usr"), false},
		{"another start directory", append(serves, "chdir = /", "cwd = /usr"), false},
		{"capabilities", append(serves, "chdir = /", "cap = kill"), false},
		{"another mask", append(serves, "chdir = /", "umask = 027"), false},
		{"another mode of sockets", append(serves, "chdir = /", "chmod-socket = 600"), false},
		{"a limit", append(serves, "chdir = /", "limit-core = 0"), false},
		{"another user", append(serves[1:], "chdir = /", "uid = 4002"), false},
		{"another program", []string{runs, "uid = 4001", "gid = 4001", "chdir = /"}, false},
	} {
		b := bootOf(t, c.lines...)
		if b == nil {
			t.Fatalf("%s: no boot", c.name)
		}
		if got := b.Server(running) != nil; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if bootOf(t, serves...).Server(nil) != nil {
		t.Error("of the vassal program")
	}
}
