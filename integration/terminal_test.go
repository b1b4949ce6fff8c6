//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// screen is a terminal with a client in it.
type screen struct {
	t    *testing.T
	tty  *os.File
	seen bytes.Buffer
	cmd  *exec.Cmd
}

// sit starts a command on a terminal of its own.
func sit(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 31, Cols: 91})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &screen{t: t, tty: tty, cmd: cmd}
}

func (s *screen) write(keys string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the text is seen, and forgets all that was seen before.
func (s *screen) expect(text string) {
	s.t.Helper()
	found := make(chan error, 1)
	go func() {
		for buffer := make([]byte, 1<<12); ; {
			if at := strings.Index(s.seen.String(), text); at >= 0 {
				s.seen.Next(at + len(text))
				found <- nil
				return
			}
			n, err := s.tty.Read(buffer)
			s.seen.Write(buffer[:n])
			if err != nil {
				found <- fmt.Errorf("%w; there was %q", err, s.seen.String())
				return
			}
		}
	}()
	select {
	case err := <-found:
		if err != nil {
			s.t.Fatalf("waiting for %q: %v", text, err)
		}
	case <-time.After(patience):
		s.tty.Close()
		<-found
		s.t.Fatalf("after %v still no %q; there was %q", patience, text, s.seen.String())
	}
}

// TestTerminal: a shell as first worker, which two clients share, one of whom
// comes by the emperor.
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
	second.write("sleep 0.2; stty size\n")
	for _, s := range []*screen{first, second} {
		s.expect("25 91")
	}
	second.write("sleep 1000\n")
	first.expect("sleep 1000")
	first.write("\x03echo inter''rupted\n")
	second.expect("interrupted")
	e.await("a.ini", "interrupted") // pty-log
	second.write("\x1d")
	second.expect("Detached.")
	if err := second.cmd.Wait(); err != nil {
		t.Errorf("detaching: %v", err)
	}
	first.write("echo still''there\n")
	first.expect("stillthere")

	first.write("exit 7\n") // the worker ends, and the next has a new terminal
	first.expect("Detached.")
	e.await("a.ini", "exit status 7")
	eventually(t, "the next worker has a terminal", func() bool {
		out, _ := exec.Command("sh", "-c", "sleep 0.1; printf 'echo an''other\\n'").Output()
		cmd := w.inside(program("vassal-pty"), "--connect", socket)
		cmd.Stdin = bytes.NewReader(out)
		var seen bytes.Buffer
		cmd.Stdout = &seen
		if cmd.Start() != nil {
			return false
		}
		time.Sleep(300 * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return strings.Contains(seen.String(), "another")
	})
}

// With pty-exec the worker has no terminal, and whoever connects gets a program.
func TestTerminalProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "pty-socket = @story", "pty-exec = sh -c 'read word; echo got $word'", serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	for _, word := range []string{"one", "two"} { // one after the other, a program each
		s := sit(t, w.inside(program("emperor"), "attach", "a.ini"))
		s.expect("Ctrl-] detaches")
		s.write(word + "\n")
		s.expect("got " + word)
		s.expect("Detached.")
	}
}
