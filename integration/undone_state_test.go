//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// store is a program with state, as redis is: it counts requests in memory, and saves the number
// when it is asked to stop. A second instance beside it would save over that; it records one.
const store = `import fcntl, os, signal, socket, sys
data, path = sys.argv[1:3]
lock = open(data + "/lock", "w")
try: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError: open(data + "/overlap", "w"); sys.exit(9)
count = int(open(data + "/count").read()) if os.path.exists(data + "/count") else 0
def save(*_):
    with open(data + "/new", "w") as f: f.write(str(count))
    os.rename(data + "/new", data + "/count"); os.unlink(path); os._exit(0)
signal.signal(signal.SIGTERM, save)
if os.path.exists(path): os.unlink(path)
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(); os.chmod(path, 0o777)
while True:
    c, _ = s.accept(); count += 1; c.sendall(b"%d\n" % count); c.close()
`

// stored is that program as a vassal.
type stored struct {
	*world
	count int // answers of the program
}

func (w *world) stored() *stored {
	w.t.Helper()
	w.write("store.py", store)
	w.run("mkdir " + w.path("data") + " && chown 4001:4001 " + w.path("data"))
	return &stored{world: w}
}

// edit writes the vassal's file. Words are further arguments of the program.
func (s *stored) edit(words string, options ...string) {
	s.t.Helper()
	s.vassal("a.ini", append([]string{
		"uid = 4001", "gid = 4001", "ready-probe = exec:test -S " + s.path("s/store"),
		"command = python3 " + s.path("store.py") + " " + s.path("data") + words + " " + s.path("s/store"),
	}, options...)...)
}

// counts checks that the program knows all requests that it has answered, and adds some.
func (s *stored) counts(when string) {
	s.t.Helper()
	for range 3 {
		var got string
		eventually(s.t, "the program answers "+when, func() bool {
			conn, err := net.DialTimeout("unix", s.path("s/store"), patience)
			if err != nil {
				return false
			}
			defer conn.Close()
			got, err = bufio.NewReader(conn).ReadString('\n')
			return err == nil
		})
		s.count++
		if got = strings.TrimSpace(got); got != strconv.Itoa(s.count) {
			s.t.Fatalf("%s: it has counted %s, want %d", when, got, s.count)
		}
	}
	if _, err := os.Stat(s.path("data/overlap")); err == nil {
		s.t.Errorf("%s: two instances have run at once", when)
	}
}

// A program with state loses none by an edit that does not become ready, in the process or with a
// new one, nor when the emperor is started anew or killed meanwhile.
func TestUndoneEditsLoseNoData(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{"in the process": "env = A=%d", "with a new process": "umask = 02%d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).stored()
			edits := 0
			edit := func(words string, more ...string) {
				edits++
				s.edit(words, append(more, fmt.Sprintf(option, edits))...)
			}
			args := []string{sharesNetwork, "--emperor-change-pause", "0"}
			edit("")
			e := s.start(args...)
			e.running("a.ini")
			s.counts("at first")
			edit("")
			eventually(t, "a good edit is taken over", func() bool { r := s.status("a.ini"); return r.State == "running" && r.Config == r.WantedConfig })
			s.counts("after a good edit")
			elsewhere := " " + s.path("s/elsewhere") // where no probe asks
			for _, broken := range []string{"/nothere", elsewhere} {
				edit(broken, "ready-timeout = 2")
				eventually(t, "a bad edit is undone", func() bool {
					r := s.status("a.ini")
					return r.State == "running" && r.Config != r.WantedConfig && r.ReloadError != ""
				})
				s.counts("after a bad edit")
			}

			// The next emperor knows only the file.
			e.stop(syscall.SIGTERM)
			e = s.start(args...)
			e.await("a.ini", "-> backoff")
			if r := s.list()["a.ini"]; r.Error == "" {
				t.Error("the list does not tell why it does not run")
			}
			edit("")
			s.counts("after the next emperor")

			// The emperor is killed while an edit is on trial.
			edit(elsewhere)
			eventually(t, "the edit is on trial", func() bool { _, err := os.Stat(s.path("s/elsewhere")); return err == nil })
			e.signal(syscall.SIGKILL)
			e.wait()
			edit("")
			e = s.start(args...)
			s.counts("after a killed emperor")
			e.stop(syscall.SIGTERM)
		})
	}
}

// An on-demand vassal whose edit does not become ready runs the configuration before it: at once where
// it ran, and for the next connection where it waited for one. No connection is lost.
func TestUndoneEditsOfOnDemandVassals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/a.socket")
	good := []string{"protocol = http", "route-run = send:one", "idle = 2", "die-on-idle = true"}
	bad := []string{"umask = 027", "command = sh -c 'exit 3'"}
	w.vassal("a.ini", good...)
	e := w.start(allNamespaces, "--emperor-change-pause", "0", "--emperor-on-demand-directory", w.path("s"))
	e.await("a.ini", "-> waiting")
	v := w.visited(socket)
	v.settle()
	time.Sleep(1500 * time.Millisecond) // the configuration is proven
	v.tally()

	w.vassal("a.ini", bad...)
	e.await("a.ini", "cannot take the edit over; starting the configuration before it again")
	eventually(t, "the old configuration runs", func() bool { return w.list()["a.ini"].State == "running" })
	time.Sleep(200 * time.Millisecond)
	v.served("after the edit of one that runs", "one")

	w.vassal("a.ini", append(good, "umask = 022")...)
	eventually(t, "the next edit is taken over", func() bool { r := w.status("a.ini"); return r.State == "running" && r.Config == r.WantedConfig })
	time.Sleep(1500 * time.Millisecond)
	v.served("after the next edit", "one")
	v.leave()
	e.await("a.ini", "wants to stop")
	eventually(t, "it waits", func() bool { return w.status("a.ini").State == "waiting" })

	w.vassal("a.ini", bad...)
	eventually(t, "the edit is known", func() bool { r := w.status("a.ini"); return r.State == "waiting" && r.Config != r.WantedConfig })
	if got := w.run("curl -sS -m 20 --unix-socket " + socket + " http://a/"); got != "one" {
		t.Errorf("the first connection gets %q", got)
	}
	eventually(t, "the list names the edit", func() bool {
		r := w.list()["a.ini"]
		return r.State == "running" && strings.Contains(r.Error, "; the configuration before it runs")
	})
	e.stop(syscall.SIGTERM)
}
