//go:build linux

package integration

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// manager receives notifications for a service manager by sd_notify(3).
type manager struct {
	t    *testing.T
	path string

	mu   sync.Mutex
	said []string
}

func (w *world) manager(t *testing.T) *manager {
	t.Helper()
	m := &manager{t: t, path: w.path("notify")}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		buffer := make([]byte, 1<<12)
		for {
			n, err := l.Read(buffer)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, strings.ReplaceAll(string(buffer[:n]), "\n", " "))
			m.mu.Unlock()
		}
	}()
	return m
}

// supervise starts the world's emperor as a service.
func (m *manager) supervise(w *world, args ...string) *emperor {
	m.t.Helper()
	cmd := w.inside(program("emperor"), append(append([]string{"--emperor-log-format", "json"}, args...), w.vassals)...)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=600000")
	return w.launch(cmd)
}

// hears waits for a message that matches and returns its first group; it drops earlier
// messages.
func (m *manager) hears(pattern string) (group string) {
	m.t.Helper()
	want := regexp.MustCompile("^(?:" + pattern + ")$")
	eventually(m.t, "the service manager hears "+pattern, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, text := range m.said {
			if found := want.FindStringSubmatch(text); found != nil {
				m.said = m.said[i+1:]
				if len(found) > 1 {
					group = found[1]
				}
				return true
			}
		}
		return false
	})
	return group
}

// The notifications to a service manager, from the beginning to the end.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.manager(t)
	w.vassal("a.ini", serves)
	w.vassal("b.ini", "exec-as-root = exit 1", serves) // its failure is not a failure of the service
	e := m.supervise(w, allNamespaces, "--exec-as-emperor", "test -z \"$NOTIFY_SOCKET\" && test -z \"$WATCHDOG_USEC\" && touch "+w.path("s/$UWSGI_VASSAL_NAME"))
	m.hears("READY=1 STATUS=governing 2 vassals")
	if names := files(w.path("s")); !slices.Contains(names, "/a.ini") || !slices.Contains(names, "/b.ini") {
		t.Errorf("ready before all were launched (or hooks see what is the emperor's): %v", names)
	}
	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")
	pid := e.running("a.ini")
	environ := strings.Join(lines("/proc/"+strconv.Itoa(pid)+"/environ"), "")
	if strings.Contains(environ, m.path) || strings.Contains(environ, "WATCHDOG_") {
		t.Errorf("a vassal sees what is the emperor's: %q", environ)
	}

	w.vassal("c.ini", serves)
	m.hears("STATUS=governing 3 vassals")
	e.running("c.ini")

	var before unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
		t.Fatal(err)
	}
	e.signal(syscall.SIGHUP)
	at, _ := strconv.ParseInt(m.hears(`RELOADING=1 MONOTONIC_USEC=(\d+) STATUS=reloading`), 10, 64)
	if at < before.Nano()/1000 {
		t.Errorf("the reload is said to have begun at %d, before it was asked for at %d", at, before.Nano()/1000)
	}
	m.hears("READY=1 STATUS=governing 3 vassals")
	if n := e.count("a.ini", "reloading -> running"); n != 1 {
		t.Errorf("ready again after %d reloads of a.ini", n)
	}
	w.succeed("reload", "--all", "--wait")
	m.hears(`RELOADING=1 MONOTONIC_USEC=\d+ STATUS=reloading`)
	m.hears("READY=1 STATUS=governing 3 vassals")

	w.remove("b.ini")
	w.remove("c.ini")
	m.hears("STATUS=governing 1 vassal")
	e.signal(syscall.SIGTERM)
	m.hears("STOPPING=1 STATUS=stopping")
	if code := e.wait(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// Also an emperor without vassals reports that it stops, and an emperor whose manager does not
// listen any more ends.
func TestServiceManagerThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.manager(t)
	e := m.supervise(w)
	m.hears("READY=1 STATUS=governing 0 vassals")
	e.signal(syscall.SIGTERM)
	m.hears("STOPPING=1 STATUS=stopping")
	if code := e.wait(); code != 0 {
		t.Errorf("it ended with %d", code)
	}

	deaf, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(deaf)
	d := &manager{t: t, path: w.path("deaf")}
	if err := unix.Bind(deaf, &unix.SockaddrUnix{Name: d.path}); err != nil {
		t.Fatal(err)
	}
	w.vassal("a.ini", serves)
	e = d.supervise(w)
	e.running("a.ini")
	eventually(t, "no more fits into the socket", func() bool {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, []byte("X=1"), 0, &unix.SockaddrUnix{Name: d.path}) == unix.EAGAIN
	})
	w.vassal("b.ini", serves)
	e.running("b.ini")
	e.stop(syscall.SIGTERM)
}
