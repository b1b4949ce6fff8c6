//go:build linux

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// stoppedEnv is how long the emperor of these stories is stopped, such as 60s.
const stoppedEnv = "STORY_STOPPED"

// stopped stops an emperor for some time, as a debugger or a freezer does, and calls
// meanwhile.
func (e *emperor) stopped(meanwhile func()) {
	e.t.Helper()
	d := 5 * time.Second
	if text := os.Getenv(stoppedEnv); text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			e.t.Fatal(err)
		}
	}
	begin := time.Now()
	e.signal(syscall.SIGSTOP)
	defer e.signal(syscall.SIGCONT)
	meanwhile()
	time.Sleep(d - time.Since(begin))
}

// tally counts the served requests, with the reason of the first failure.
type tally struct {
	served atomic.Int64
	lost   atomic.Int64
	first  sync.Once
	why    error // of the first
}

// besiege sends requests to a socket from several clients until ctx ends.
func besiege(ctx context.Context, clients int, socket string) (*tally, func()) {
	return besiegeBy(ctx, clients, &http.Transport{MaxIdleConnsPerHost: clients, DialContext: dialing(socket)})
}

// besiegeOnce is besiege with a connection for each request.
func besiegeOnce(ctx context.Context, clients int, socket string) (*tally, func()) {
	return besiegeBy(ctx, clients, &http.Transport{DisableKeepAlives: true, DialContext: dialing(socket)})
}

func dialing(socket string) func(ctx context.Context, _, _ string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

func besiegeBy(ctx context.Context, clients int, transport *http.Transport) (*tally, func()) {
	count, all := &tally{}, &sync.WaitGroup{}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				err := index(client)
				if err == nil {
					count.served.Add(1)
					continue
				}
				count.lost.Add(1)
				count.first.Do(func() { count.why = err })
			}
		})
	}
	return count, func() { all.Wait(); transport.CloseIdleConnections() }
}

func index(client *http.Client) error {
	answer, err := client.Get("http://vassal/index.html")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || string(text) != "served") {
		err = fmt.Errorf("%s: %q", answer.Status, text)
	}
	return err
}

// A stopped emperor reads no log. Its vassals with the built-in server answer every request,
// with a log of requests, by programs that print, beside others that print without end, and
// while they reload; lines that they cannot print are counted. They run unchanged afterwards.
func TestSuspendedEmperorCostsNoRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www"))
	w.write("www/index.html", "served")
	serving := func(name, answer string, options ...string) {
		w.vassal(name+".ini", append(options, "log-format = %%(uri)"+strings.Repeat("x", 1000), "http-socket = "+w.path("s/"+name), answer, "uid = 4001", "gid = 4001")...)
	}
	w.run("mkdir " + w.path("cgi"))
	w.write("cgi/index.html", "#!/bin/sh\necho . >&2\nprintf 'Content-Type: text/plain\\r\\n\\r\\nserved'\n")
	w.run("chmod 755 " + w.path("cgi/index.html"))
	programs, files := "cgi = /="+w.path("cgi"), "static-map = /="+w.path("www")
	serving("program", programs)
	serving("web", files, "processes = 2", "heartbeat = 1")
	serving("file", files, "log = "+w.path("file.log"))
	serving("beside", files, "log = "+w.path("beside.log"), "attach-daemon = sh -c 'while :; do echo flood; done'")
	w.vassal("tty.ini", "log = "+w.path("tty.log"), "pty-socket = "+w.path("s/tty"), "pty-log = true", talks(w.path("s/talk")))
	e := w.start(allNamespaces, "--emperor-required-heartbeat=3")
	pids, names := map[string]int{}, []string{"web", "file", "beside", "program"}
	for _, name := range append(names, "tty") {
		pids[name] = e.running(name + ".ini")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	counts, waits := map[string]*tally{}, []func(){}
	for _, name := range names {
		count, wait := besiege(ctx, 2, w.path("s/"+name))
		counts[name], waits = count, append(waits, wait)
	}
	eventually(t, "it is known that there is a heartbeat", func() bool { return !w.status("web.ini").Heartbeat.IsZero() })
	before := map[string]int64{}
	e.stopped(func() {
		for name, count := range counts {
			before[name] = count.served.Load()
		}
		time.Sleep(3 * time.Second) // every pipe is full
		if err := syscall.Kill(pids["web"], syscall.SIGHUP); err != nil {
			t.Error(err)
		}
		keepsTalking(t, w.path("s/talk"))
	})
	during := map[string]int64{}
	for name, count := range counts {
		during[name] = count.served.Load() - before[name]
	}
	time.Sleep(2 * time.Second) // time for a late timer
	cancel()
	for i, name := range names {
		waits[i]()
		count := counts[name]
		t.Logf("%s: %d requests served while the emperor was stopped, %d lost", name, during[name], count.lost.Load())
		if count.lost.Load() > 0 || during[name] < 100 {
			t.Errorf("%s: %d requests served, %d lost: %v", name, during[name], count.lost.Load(), count.why)
		}
	}
	for _, name := range []string{"file", "tty"} {
		eventually(t, name+" tells of what was lost", func() bool { return holds(w.path(name+".log"), "lines of the log were lost") })
	}
	for name, pid := range pids {
		e.undisturbed(name+".ini", pid)
	}
}

// A program whose output is not read has room for a megabyte before it blocks, and continues
// when the emperor does.
func TestSuspendedEmperorLeavesProgramsAMegabyte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	line := strings.Repeat("x", 98) // and a space and a newline, beside its number
	prints := func(lines int, mark string) string {
		return fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); echo %s $i; done; touch %s", lines, line, w.path("s/"+mark))
	}
	script := "until [ -e " + w.path("go") + " ]; do sleep 0.05; done; " + prints(9000, "one") + "; " + prints(10000, "all") + "; echo that is all; exec sleep 1000000"
	w.vassal("command.ini", "command = sh -c '"+script+"'")
	own := strings.NewReplacer("/one", "/patch.one", "/all", "/patch.all").Replace(script)
	w.vassal("patch.ini", "unprivileged-binary-patch-arg = sh -c '"+own+"'")
	e := w.start(allNamespaces)
	pid := e.running("command.ini")
	e.running("patch.ini")
	there := func(name string) bool { _, err := os.Stat(w.path("s/" + name)); return err == nil }
	e.stopped(func() {
		w.write("go", "")
		for _, name := range []string{"one", "patch.one"} {
			eventually(t, "0.9 MB are printed: "+name, func() bool { return there(name) })
		}
		time.Sleep(time.Second)
		if there("all") || there("patch.all") {
			t.Error("1.9 MB found a place: there is no bound")
		}
	})
	for _, name := range []string{"command.ini", "patch.ini"} {
		eventually(t, name+" has printed all", func() bool { return strings.Contains(w.succeed("logs", name), "that is all") })
	}
	e.undisturbed("command.ini", pid)
}

// A server answers, reloads and ends although its log is not read, for any destination of the
// log.
func TestServerWhoseLogIsNotRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pipe", "pipe that another process does not block on", "FIFO"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("mkdir " + w.path("www"))
			w.write("www/index.html", "served")
			w.write("a.ini", ini("http-socket = "+w.path("s/a"), "static-map = /="+w.path("www"), "log-format = %%(uri)"+strings.Repeat("x", 1000), "exec-as-user-atexit = touch "+w.path("end")))
			cmd := w.inside(program("vassal"), "--ini", w.path("a.ini"))
			log := unread(t, w, name == "FIFO")
			cmd.Stdout, cmd.Stderr = log, log
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if err := syscall.SetNonblock(int(log.Fd()), strings.Contains(name, "does not block")); err != nil {
				t.Fatal(err)
			}
			log.Close()
			listens(t, w.path("s/a"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			count, wait := besiege(ctx, 2, w.path("s/a"))
			for range 2 {
				before := count.served.Load()
				eventually(t, "there are 2 MB of lines more", func() bool { return count.served.Load() > before+2000 })
				if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			wait()
			if count.lost.Load() > 0 {
				t.Errorf("%d requests served, %d lost: %v", count.served.Load(), count.lost.Load(), count.why)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the vassal ended with %v", err)
			}
			if _, err := os.Stat(w.path("end")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A FIFO is a log like any other: neither the emperor nor its vassals wait for a reader, who
// gets the lines that fit, and all later lines.
func TestLogIsAFIFO(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unread(t, w, true).Close()
	w.vassal("a.ini", talks(w.path("s/progress")))
	cmd := w.inside(program("emperor"), "--logto", w.path("log"), w.vassals)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.awaitState("a.ini", "running")
	eventually(t, "more is printed than waits anywhere", func() bool { return number(w.path("s/progress")) > 5000 })
	if got := w.run("timeout 20 head -1 " + w.path("log")); !strings.Contains(got, "is watching") {
		t.Errorf("the reader gets %q", got)
	}
	w.vassal("b.ini", serves)
	w.awaitState("b.ini", "running")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the emperor ended with %v", err)
	}
}

// unread is a pipe, or a FIFO, that is open and not read.
func unread(t *testing.T, w *world, fifo bool) *os.File {
	t.Helper()
	if fifo {
		if err := syscall.Mkfifo(w.path("log"), 0o600); err != nil {
			t.Fatal(err)
		}
		both, err := os.OpenFile(w.path("log"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		return both
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	return write
}
