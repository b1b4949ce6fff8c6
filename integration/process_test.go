//go:build linux

package integration

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// surveyor describes each of its sockets, and itself.
const surveyor = `
import os, socket
def on(s, level, name): return str(s.getsockopt(level, name))
for i, name in enumerate(os.environ["LISTEN_FDNAMES"].split(":")):
    s = socket.socket(fileno=3 + i)
    address = s.getsockname()
    said = [name, address if isinstance(address, str) else address.decode() if isinstance(address, bytes) else "%s %d" % address[:2]]
    said += ["keepalive", on(s, socket.SOL_SOCKET, socket.SO_KEEPALIVE), "nodelay", on(s, socket.IPPROTO_TCP, socket.TCP_NODELAY)] if s.family != socket.AF_UNIX else []
    said += ["freebind", on(s, socket.IPPROTO_IP, 15)] if s.family == socket.AF_INET else []
    print("socket", *said, flush=True)
    s.detach()
print("process umask %o" % os.umask(0), "in", os.getcwd(), "groups", *sorted(os.getgroups()), flush=True)
print("surveyed", flush=True)
while True: os.read(os.pipe()[0], 1)
`

// Every kind of address, every option of sockets and every option of the process, as the
// application sees it.
func TestSocketsAndProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("survey.py", surveyor)
	if err := os.MkdirAll(w.path("s/start"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(w.path("s/start"), 0o777); err != nil {
		t.Fatal(err)
	}
	w.vassal("a.ini", "command = python3 "+w.path("survey.py"), "hook-asap = ifup:lo", "uid = 4001", "gid = 4001", "add-gid = others", "no-initgroups = true",
		"shared-socket = 127.0.0.1:80", "http-socket = =0", "socket = [::1]:8081", "socket = 127.0.0.1:8082", "socket = :8083", "socket = @story-"+w.tag,
		"fastcgi-socket = relative", "uwsgi-socket = "+w.path("s/two"), "socket = 203.0.113.7:8084",
		"listen = 77", "so-keepalive = true", "tcp-nodelay = true", "freebind = true", "umask = 0027", "cwd = "+w.path("s/start"), "chdir = "+w.path("s"),
		"pidfile = first.pid", "pidfile2 = second.pid", "vacuum = true", "procname-prefix = story-", "procname-append = -end", "auto-procname = true")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", "surveyed")
	tcp := " keepalive 1 nodelay 1"
	for _, want := range []string{
		"socket http-socket 127.0.0.1 80" + tcp + " freebind 1", "socket socket ::1 8081" + tcp, "socket socket 127.0.0.1 8082" + tcp + " freebind 1",
		"socket socket 0.0.0.0 8083" + tcp + " freebind 1", "socket socket \x00story-" + w.tag, "socket fastcgi-socket relative",
		"socket uwsgi-socket " + w.path("s/two"), "socket socket 203.0.113.7 8084" + tcp + " freebind 1",
		"process umask 27 in " + w.path("s") + " groups 4001 4200",
	} {
		if !strings.Contains(strings.ReplaceAll(e.about("a.ini"), `\u0000`, "\x00"), want) {
			t.Errorf("it does not say %q:\n%s", want, e.about("a.ini"))
		}
	}
	for _, l := range strings.Split(in(t, pid, "ss -Hltn"), "\n") {
		if f := strings.Fields(l); len(f) > 2 && f[2] != "77" {
			t.Errorf("a queue is of another length: %s", l)
		}
	}
	paths := []string{"s/relative", "s/two", "s/start/first.pid", "s/start/second.pid"}
	for _, path := range paths {
		info, err := os.Stat(w.path(path))
		if err != nil {
			t.Error(err)
		} else if strings.HasSuffix(path, ".pid") {
			if text, _ := os.ReadFile(w.path(path)); strings.TrimSpace(string(text)) != "1" {
				t.Errorf("%s holds %q", path, text)
			}
		} else if info.Mode().Perm() != 0o750 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	if text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); !strings.HasPrefix(string(text), "story-vassal master a.ini-end\x00") {
		t.Errorf("it is called %q", text)
	}
	e.remove("a.ini")
	e.gone("a.ini")
	for _, path := range paths {
		if _, err := os.Lstat(w.path(path)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// The end removes no file that another process has put there in the meantime.
func TestOnlyItsOwnFilesAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := []string{w.path("s/web"), w.path("s/first.pid"), w.path("s/second.pid")}
	w.vassal("a.ini", serves, "socket = "+mine[0], "pidfile = "+mine[1], "pidfile2 = "+mine[2], "vacuum = true")
	e := w.start(allNamespaces)
	e.running("a.ini")
	for _, path := range mine {
		w.write(path, "of another program")
	}
	e.remove("a.ini")
	e.gone("a.ini")
	for _, path := range mine {
		if text, err := os.ReadFile(path); err != nil || string(text) != "of another program" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

func TestQueueThatTheKernelKeepsShorter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves, "hook-asap = sysctl:net.core.somaxconn=200", "socket = "+w.path("s/a"), "listen = 500")
	e := w.start(allNamespaces)
	e.running("a.ini")
	if r := e.await("a.ini", "net.core.somaxconn"); !strings.Contains(r.raw, `"listen":500,"most":200`) {
		t.Errorf("the log says %s", r.raw)
	}
}
