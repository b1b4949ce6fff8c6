//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// screen is a terminal with a client in it.
type screen struct {
	t     *testing.T
	tty   *os.File
	cmd   *exec.Cmd
	shown chan string // pieces of the client's output; closed at its end
	seen  string      // and not expected yet
}

// sit starts a command on a terminal of its own.
func sit(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 31, Cols: 91})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, tty: tty, cmd: cmd, shown: make(chan string, 64)}
	go func() { // it may block in read(2), which the death of the client ends, but Close does not
		defer close(s.shown)
		buffer := make([]byte, 1<<12)
		for {
			n, err := tty.Read(buffer)
			if err != nil {
				return
			}
			select {
			case s.shown <- string(buffer[:n]):
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); tty.Close() })
	return s
}

func (s *screen) write(keys string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the text is seen, and forgets all earlier output.
func (s *screen) expect(text string) {
	s.t.Helper()
	if !s.shows(text, patience) {
		s.t.Fatalf("after %v still no %q; there was %q", patience, text, s.seen)
	}
}

// shows reports whether the text is seen in time. All output up to it is forgotten.
func (s *screen) shows(text string, within time.Duration) bool {
	s.t.Helper()
	for late := time.After(within); ; {
		if _, rest, found := strings.Cut(s.seen, text); found {
			s.seen = rest
			return true
		}
		select {
		case piece, more := <-s.shown:
			if !more {
				s.t.Fatalf("the client ended without %q; there was %q", text, s.seen)
			}
			s.seen += piece
		case <-late:
			return false
		}
	}
}

// press presses a key until the text is seen: a new program may not have the terminal yet, and
// then the signal reaches no process.
func (s *screen) press(key, text string) {
	s.t.Helper()
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	s.write(key)
	for late := time.After(patience); ; {
		if _, rest, found := strings.Cut(s.seen, text); found {
			s.seen = rest
			return
		}
		select {
		case piece := <-s.shown:
			s.seen += piece
		case <-again.C:
			s.write(key)
		case <-late:
			s.t.Fatalf("after %v still no %q; there was %q", patience, text, s.seen)
		}
	}
}

// TestTerminal: a shell as first worker, which two clients share, one of them through the
// emperor.
func TestTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/tty")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "pty-socket = "+socket, "pty-log = true", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i")
	e := w.start(allNamespaces)
	e.running("a.ini")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 4001 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	first := sit(t, w.inside(program("vassal"), "--pty-connect", socket))
	first.expect("Ctrl-] detaches")
	first.expect("ready>")
	first.write("stty size; tty >/dev/null && echo termi''nal\n")
	first.expect("31 91")
	first.expect("terminal")
	second := sit(t, w.inside(program("emperor"), "attach", "a.ini"))
	second.expect("Ctrl-] detaches")
	if err := pty.Setsize(second.tty, &pty.Winsize{Rows: 25, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	second.write("until stty size | grep '25 91'; do sleep 0.1; done; echo res''ized\n")
	for _, s := range []*screen{first, second} {
		s.expect("\n25 91")
		s.expect("resized")
		s.expect("ready>")
	}
	second.write("sleep 1000\n")
	first.expect("sleep 1000")
	first.press("\x03", "ready>") // earlier input is dropped by the shell
	first.write("echo inter''rupted\n")
	second.expect("interrupted")
	e.await("a.ini", "interrupted") // pty-log
	second.write("\x1d")
	second.expect("Detached.")
	if err := second.cmd.Wait(); err != nil {
		t.Errorf("detaching: %v", err)
	}
	first.write("echo still''there\n")
	first.expect("stillthere")

	first.write("exit 7\n") // the worker ends, and the client stays for the next
	e.await("a.ini", "exit status 7")
	first.expect("[the next worker]")
	first.expect("ready>")
	first.write("stty size; echo an''other\n")
	first.expect("31 91")
	first.expect("another")
	e.stop(syscall.SIGTERM)
	first.expect("Detached.")
}

// A client stays attached while the workers are replaced, and sees the old one when the new
// one does not become ready.
func TestTerminalAcrossReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/tty")
	options := []string{"pty-socket = " + socket, "pty-log = true", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP"}
	w.vassal("a.ini", append(options, "env = NUMBER=one", "command = sh -i")...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	s := sit(t, w.inside(program("emperor"), "attach", "a.ini"))
	s.expect("ready>")
	s.write("echo this is $NUMBER\n")
	s.expect("this is one")
	e.vassal("a.ini", append(options, "env = NUMBER=two", "command = sh -i")...)
	s.expect("[the next worker]")
	s.expect("ready>")
	s.write("stty size; echo this is $NUMBER\n")
	s.expect("31 91")
	s.expect("this is two")
	e.vassal("a.ini", append(options, "env = NUMBER=three", "command = /no/such/program")...)
	e.await("a.ini", "cannot reload")
	s.write("echo still $NUMBER\n")
	s.expect("still two")
	if err := syscall.Kill(children(pid)[0], 0); err != nil || e.running("a.ini") != pid {
		t.Errorf("another process serves: %v", err)
	}
	e.remove("a.ini")
	s.expect("Detached.")
}

// The emperor finds the terminal wherever its address was written, and after the end of the
// program that shares it.
func TestTerminalThatIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shell := []string{"env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i"}
	w.write("around.ini", ini("pty-socket = @around"))
	w.write("safe.ini", ini(append(shell, "chdir = "+w.path("s"), "pty-socket = tty")...))
	w.vassal("a.ini", shell...)
	w.vassal("b.ini", "command = /no/such/program", "fallback-config = "+w.path("safe.ini"))
	e := w.start(allNamespaces, "--vassals-include-before", w.path("around.ini"))
	pids := map[string]int{"a.ini": e.running("a.ini"), "b.ini": e.running("b.ini")}
	attach := func(name string) *screen {
		t.Helper()
		s := sit(t, w.inside(program("emperor"), "attach", name))
		s.expect("ready>")
		return s
	}
	for name := range pids {
		s := attach(name)
		s.write("echo in''side\n")
		s.expect("inside")
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.expect("Detached.")
	}
	s := attach("a.ini")
	for _, pid := range children(pids["a.ini"]) {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasPrefix(string(line), "vassal-helper\x00pty\x00") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.expect("Detached.")
	e.await("a.ini", "the worker died") // without its terminal
	eventually(t, "the next worker has a terminal", func() bool {
		out, _ := w.inside("sh", "-c", "{ sleep 1; kill $$; } & exec "+program("emperor")+" attach a.ini </dev/null").Output()
		return strings.Contains(string(out), "ready>")
	})
	e.stop(syscall.SIGTERM)
}

// With pty-exec the worker has no terminal, and each client gets a program.
func TestTerminalProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	options := []string{"pty-socket = @story", "pty-exec = sh -c 'read word; echo got $COLOUR $word'", serves}
	w.vassal("a.ini", append(options, "env = COLOUR=blue")...)
	e := w.start(allNamespaces)
	e.running("a.ini")
	for _, word := range []string{"one", "two"} { // one after the other, a program each
		s := sit(t, w.inside(program("emperor"), "attach", "a.ini"))
		s.expect("Ctrl-] detaches")
		s.write(word + "\n")
		s.expect("got blue " + word)
		s.expect("Detached.")
	}
	before := sit(t, w.inside(program("emperor"), "attach", "a.ini"))
	before.expect("Ctrl-] detaches")
	w.run("touch " + w.vassals + "/a.ini") // a reload with the same environment affects no client
	eventually(t, "the workers are replaced", func() bool { return e.count("a.ini", "workers replaced") > 0 })
	before.write("three\n")
	before.expect("got blue three")
	before.expect("Detached.")
	e.vassal("a.ini", append(options, "env = COLOUR=red")...)
	eventually(t, "the program has the new environment", func() bool {
		out, _ := w.inside("sh", "-c", "echo four | exec timeout 5 "+program("emperor")+" attach a.ini").Output()
		return strings.Contains(string(out), "got red four")
	})
}

// An attach that is killed ends with its client, which restores the terminal.
func TestAttachThatIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "pty-socket = @story", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i")
	e := w.start(allNamespaces)
	e.running("a.ini")
	pidfile := w.path("attached")
	s := sit(t, w.inside("sh", "-c", "sh -c 'echo $$ >"+pidfile+"; exec "+program("emperor")+" attach a.ini'; read word; echo read $word"))
	s.expect("ready>")
	w.run("kill -9 $(cat " + pidfile + ")")
	s.expect("Detached.")
	// Until it has ended, the client that shows the terminal may take a line too.
	eventually(t, "the client has ended", func() bool {
		return !slices.ContainsFunc(w.processes(), func(p string) bool { return strings.Contains(p, "--connected") })
	})
	// A thread of it that ends last may still take one line.
	eventually(t, "the shell reads a line", func() bool {
		s.write("mine\n")
		return s.shows("read mine", time.Second)
	})
}

// Over TCP, of both families, and with a terminal whose keys make no signals.
func TestTerminalOverTCP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addresses := map[string]string{"four.ini": "127.0.0.1:7331", "six.ini": "[::1]:7332"}
	for name, address := range addresses {
		w.vassal(name, "pty-socket = "+address, "pty-no-isig = true", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i")
	}
	e := w.start("--emperor-use-clone=pid,fs")
	for name, address := range addresses {
		e.running(name)
		s := sit(t, w.inside(program("vassal"), "--pty-connect", address))
		s.expect("Ctrl-] detaches")
		s.expect("ready>")
		s.write("stty -a | tr ' ' '\\n' | grep isig\n")
		s.expect("-isig")
		s.write("\x1d")
		s.expect("Detached.")
		attached := sit(t, w.inside(program("emperor"), "attach", name))
		attached.expect("Ctrl-] detaches")
		attached.write("echo by the em''peror\n")
		attached.expect("by the emperor")
	}
	e.stop(syscall.SIGTERM)
}

// The vassal's own standard input is typed into the terminal.
func TestTerminalInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a.ini", ini("pty-socket = "+w.path("s/tty"), "pty-input = true", "pty-log = true", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i"))
	cmd := w.inside("sh", "-c", `cd / && exec "$@"`, "sh", program("vassal"), "--ini", w.path("a.ini"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(w.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the log:\n%s", strings.Join(lines(w.path("log")), "\n"))
		}
	})
	w.reaches(w.path("log"), "worker started")
	if _, err := in.Write([]byte("echo ty''ped; exit 5\n")); err != nil {
		t.Fatal(err)
	}
	w.reaches(w.path("log"), "typed", "exit status 5")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the vassal ended with %v", err)
	}
}

// A client of the terminal is a connection that starts sleeping workers. When they end because
// they are idle, clients end with them.
func TestTerminalOfACheapVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/tty")
	w.vassal("a.ini", "pty-socket = "+socket, "cheap = true", "idle = 1", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	if got := workersOf(pid); len(got) > 0 {
		t.Errorf("workers without a client: %v", got)
	}
	for range 2 {
		s := sit(t, exec.Command(program("vassal"), "--pty-connect", socket))
		s.expect("ready>")
		s.expect("Detached.")
		eventually(t, "no worker is left", func() bool { return len(workersOf(pid)) == 0 })
	}
}
