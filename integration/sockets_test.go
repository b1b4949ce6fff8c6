//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// chown-socket: the path belongs to another user than the worker, from the first moment at
// which a client can connect.
func TestSocketHasAnOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.path("s/a")
	w.vassal("a.ini", "socket = "+path, "chown-socket = vassal001:friends", "chmod-socket = 660", serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if st.Uid != 4001 || st.Gid != 4100 || info.Mode().Perm() != 0o660 {
		t.Errorf("%d:%d, mode %v; want 4001:4100, mode 660", st.Uid, st.Gid, info.Mode().Perm())
	}
}

// Privileges are dropped before sockets are bound: a change of the owner that needs them is an
// error.
func TestSocketCannotBeGivenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "socket = "+w.path("s/a"), "chown-socket = vassal002", serves)
	e := w.start(allNamespaces)
	e.await("a.ini", "operation not permitted")
	e.await("a.ini", "-> backoff")
	if _, err := os.Stat(w.path("s/a")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// wait-for-socket delays the boot until a process accepts there, not only until the path
// exists.
func TestVassalWaitsForASocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.path("s/database")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	w.vassal("a.ini", "exec-as-root = touch "+w.path("s/root"), "wait-for-socket = "+path, "exec-pre-app = touch "+w.path("s/app"), serves)
	e := w.start(allNamespaces)
	eventually(t, "the vassal waits", func() bool { _, err := os.Stat(w.path("s/root")); return err == nil })
	e.barrier()
	if _, err := os.Stat(w.path("s/app")); err == nil {
		t.Error("it has not waited")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	database, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	e.running("a.ini")
}

// A vassal waits for all files it names, of the given kinds, before its hooks as root.
func TestVassalWaitsForFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("s/dir", "a file")
	w.dir("s/file", "in a directory")
	w.dir("s/mount", "no mount")
	w.vassal("a.ini", "exec-pre-jail = touch "+w.path("s/begun"), "wait-for-fs = "+w.path("s/any"), "wait-for-dir = "+w.path("s/dir"),
		"wait-for-file = "+w.path("s/file"), "wait-for-mountpoint = "+w.path("s/mount"), "exec-as-root = touch "+w.path("s/root"), serves)
	e := w.start(allNamespaces)
	begun := func(name string) bool { _, err := os.Stat(w.path("s/" + name)); return err == nil }
	eventually(t, "the vassal waits", func() bool { return begun("begun") })
	pid := w.list()["a.ini"].PID
	for _, step := range []string{
		"touch " + w.path("s/any"),
		"rm " + w.path("s/dir") + " && mkdir " + w.path("s/dir"),
		"rm -r " + w.path("s/file") + " && touch " + w.path("s/file"),
		"mount -t tmpfs none " + w.path("s/mount"),
	} {
		e.barrier()
		if begun("root") {
			t.Errorf("it does not wait for what %q does", step)
		}
		in(t, pid, step)
	}
	e.running("a.ini")
	if !begun("root") {
		t.Error("the hook has not run")
	}
}

// With reuse-port each worker has a socket of its own on the same port.
func TestReusePortGivesEachWorkerItsSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "http-socket = 127.0.0.1:8080", "reuse-port = true", "processes = 3", serves)
	w.vassal("b.ini", "http-socket = 127.0.0.1:8081", "processes = 3", serves)
	w.vassal("c.ini", "http-socket = "+w.path("s/c"), "reuse-port = true", "processes = 3", serves) // a path has one
	e := w.start(allNamespaces)
	pids := map[string]int{}
	for name, want := range map[string]int{"a.ini": 3, "b.ini": 1, "c.ini": 1} {
		pid := e.running(name)
		pids[name] = pid
		if got := socketsOfWorkers(t, pid, 3); got != want {
			t.Errorf("%s: three workers have %d sockets, want %d", name, got, want)
		}
	}
	c := e.count("c.ini", "listening")
	w.vassal("c.ini", "http-socket = "+w.path("s/c"), "reuse-port = true", "processes = 2", serves)
	e.await("c.ini", "workers replaced")
	in(t, pids["c.ini"], "test -S "+w.path("s/c"))
	if got := socketsOfWorkers(t, pids["c.ini"], 2); got != 1 || c != 1 {
		t.Errorf("%d sockets of the path, said %d times", got, c)
	}
	e.stop(syscall.SIGTERM)
}

// socketsOfWorkers waits for that many workers, and returns how many different sockets they have at descriptor 3.
func socketsOfWorkers(t *testing.T, pid, workers int) int {
	t.Helper()
	var sockets []string
	eventually(t, "all workers run", func() bool {
		sockets = nil
		for _, worker := range children(pid) {
			if name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", worker)); err != nil || strings.HasSuffix(name, "vassal") {
				return false // still starting
			}
			if link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/3", worker)); err == nil {
				sockets = append(sockets, link)
			}
		}
		return len(sockets) == workers
	})
	slices.Sort(sockets)
	return len(slices.Compact(sockets))
}

// inheritor becomes a vassal with a socket at the descriptor in its first argument.
const inheritor = `
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 8080))
s.listen()
os.dup2(s.fileno(), int(sys.argv[1]))
os.set_inheritable(int(sys.argv[1]), True)
if sys.argv[1] == "3":
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="web")
os.execv(sys.argv[2], sys.argv[2:])
`

// An inherited socket, as standard input or by LISTEN_FDS, is used for the address in the file
// that it is bound to, and is an additional socket otherwise.
func TestVassalInheritsASocket(t *testing.T) {
	t.Parallel()
	for _, fd := range []string{"0", "3"} {
		for file, want := range map[string]string{
			"http-socket = 127.0.0.1:8080": "1 http-socket",
			"http-socket = 127.0.0.1:8081": "2 http-socket:" + map[string]string{"0": "socket", "3": "web"}[fd],
			"env = A=b":                    "1 " + map[string]string{"0": "socket", "3": "web"}[fd],
		} {
			t.Run(fd+" "+file, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.write("inherit.py", inheritor)
				w.write("a.ini", ini(file, `command = sh -c 'echo "has $LISTEN_FDS $LISTEN_FDNAMES"; readlink /proc/self/fd/0; kill -TERM $PPID; exec sleep 1000'`))
				cmd := w.inside("python3", w.path("inherit.py"), fd, program("vassal"), w.path("a.ini"))
				if got := output(t, cmd); !strings.Contains(got, "has "+want+"\n") || !strings.Contains(got, "\n/dev/null\n") {
					t.Errorf("%s: want %q", got, "has "+want)
				}
			})
		}
	}
}
