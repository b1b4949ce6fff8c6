//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"
)

// mode returns the terminal's settings for input.
func mode(t *testing.T, tty *os.File) uint32 {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return m.Lflag
}

// freshMode returns the settings of a new terminal.
func freshMode(t *testing.T) uint32 {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	return mode(t, master)
}

// ended waits for the client and returns its exit code.
func (s *screen) ended() int {
	s.t.Helper()
	for piece := range s.shown {
		s.seen += piece
	}
	var x *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &x) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

const (
	otherScreen = "\x1b[?1049h"
	ownScreen   = "\x1b[?1049l"
)

// However top ends, it restores the terminal.
func TestTopGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	before := freshMode(t)
	for name, end := range map[string]func(*screen){
		"q":    func(s *screen) { s.write("q") },
		"INT":  func(s *screen) { s.write("\x03") },
		"QUIT": func(s *screen) { s.write("\x1c") },
		"TERM": func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGTERM) },
		"HUP":  func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGHUP) },
	} {
		s := sit(t, w.inside(program("emperor"), "top", "--interval", "100ms"))
		s.expect(otherScreen)
		s.expect("a.ini")
		if mode(t, s.tty) == before {
			t.Errorf("%s: keys are not taken one by one", name)
		}
		end(s)
		s.expect(ownScreen)
		if code := s.ended(); code != 0 || mode(t, s.tty) != before || strings.Contains(s.seen, otherScreen) {
			t.Errorf("%s: exit code %d, mode %#x, was %#x; after the end %q", name, code, mode(t, s.tty), before, s.seen)
		}
	}

	s := sit(t, w.inside(program("emperor"), "top", "--interval", "100ms"))
	s.expect("(by cpu)")
	s.press("m", "(by memory)")
	s.press("n", "(by name)")
	s.write("\x1a") // Ctrl-Z
	s.expect(ownScreen)
	eventually(t, "it is stopped", func() bool { return strings.HasPrefix(status(t, s.cmd.Process.Pid, "State"), "T") })
	if mode(t, s.tty) != before {
		t.Error("while it is stopped it keeps the terminal")
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	s.expect(otherScreen)
	s.expect("(by name)")
	e.signal(syscall.SIGTERM)
	e.wait()
	s.expect(ownScreen)
	s.expect("no emperor answers")
	if code := s.ended(); code != 3 || mode(t, s.tty) != before {
		t.Errorf("without an emperor: exit code %d, mode %#x, was %#x", code, mode(t, s.tty), before)
	}
}

// Without a terminal top prints one snapshot.
func TestTopWithoutATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("idle.ini", serves)
	w.vassal("busy.ini", "command = sh -c 'while :; do :; done'")
	e := w.start(allNamespaces)
	e.running("idle.ini")
	e.running("busy.ini")
	first := func(out string) string {
		for line := range strings.Lines(out) {
			if strings.Contains(line, ".ini") {
				return strings.Fields(line)[0]
			}
		}
		return ""
	}
	out := w.succeed("top")
	if first(out) != "busy.ini" || strings.Contains(out, "\x1b") || strings.Count(out, "NAME") != 1 {
		t.Errorf("top:\n%s", out)
	}
	if out := w.succeed("top", "--interval", "100ms", "--count", "3", "--sort", "since"); strings.Count(out, "(by since)") != 3 {
		t.Errorf("three looks:\n%s", out)
	}
	var list []struct {
		Name    string
		Percent float64 `json:"cpu_percent"`
	}
	if out := w.succeed("top", "--json"); json.Unmarshal([]byte(out), &list) != nil || len(list) != 2 || list[0].Percent == 0 {
		t.Errorf("JSON: %s", out)
	}
	if out, code := w.command("top", "--sort", "colour"); code != 2 || !strings.Contains(out, "cpu, memory, name, restarts, since") {
		t.Errorf("a wrong key: code %d, %s", code, out)
	}
}

// On a terminal of 24 lines all vassals are reachable, and the filter finds one.
func TestTopOfManyVassals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 30 {
		w.vassal(fmt.Sprintf("shop%02d.ini", i), serves)
	}
	e := w.start()
	for i := range 30 {
		e.running(fmt.Sprintf("shop%02d.ini", i))
	}
	s := sit(t, w.inside(program("emperor"), "top", "--interval", "10s", "--sort", "name"))
	if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	s.expect("30 vassals")
	s.press("j", "1 more above")
	s.press("G", "0 below")
	s.expect("shop29.ini")
	s.press("/", "filter: _")
	s.write("p07")
	s.expect("filter: p07_")
	s.expect("(by name)")
	s.press("\r", "filter: p07")
	s.write("q")
	s.expect(ownScreen)
	if code := s.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// On a terminal of 24 lines the status of a vassal that fails fits one screen: state, error, the last exit and the
// last lines of its log. A pipe and --all get everything.
func TestStatusOnATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hooks := slices.Repeat([]string{"exec-as-root = true"}, 30)
	w.vassal("bad.ini", append(hooks, "exec-as-root = seq -f line%%g 1 40; exit 9", serves)...)
	e := w.start(allNamespaces)
	e.await("bad.ini", "-> backoff")
	eventually(t, "it has printed", func() bool { return strings.Contains(w.succeed("status", "bad"), "line40") })
	w.succeed("stop", "--wait", "bad") // its state stays
	whole := w.succeed("status", "bad")
	shown := func(args ...string) string {
		s := sit(t, w.inside("sh", append([]string{"-c", `until [ "$(stty size)" = "24 80" ]; do sleep 0.01; done; exec "$@"`, "sh", program("emperor")}, args...)...))
		if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
			t.Fatal(err)
		}
		if code := s.ended(); code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
		return s.seen
	}
	brief := shown("status", "bad")
	lines := strings.Split(strings.TrimSuffix(brief, "\r\n"), "\r\n")
	if len(lines) > 23 || slices.ContainsFunc(lines, func(l string) bool { return runewidth.StringWidth(l) > 80 && !strings.HasPrefix(l, "error") }) {
		t.Errorf("%d lines:\n%s", len(lines), brief)
	}
	for _, want := range []string{"state            idle", "error ", "exit ", "line40", "ERROR vassal: ", " more lines: --all"} {
		if !strings.Contains(brief, want) {
			t.Errorf("there is no %q:\n%s", want, brief)
		}
	}
	all := shown("status", "bad", "--all")
	for name, text := range map[string]string{"a pipe": whole, "--all": all} {
		if strings.Count(text, "(exec: true)") != 30 || strings.Contains(text, "more lines") || !strings.Contains(text, "line36") {
			t.Errorf("%s gets:\n%s", name, text)
		}
	}
}

// On a terminal logs uses the pager of the operator, and without one it prints.
func TestLogsInAPager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = sh -c 'seq -f line%%g 1 50; exec sleep 1000000'")
	e := w.start(allNamespaces)
	e.running("a.ini")
	eventually(t, "it has printed", func() bool { return strings.Contains(w.succeed("logs", "a"), "line50") })
	for pager, want := range map[string]string{"sed s/line/paged/": "paged50", "cat": "line50", "": "line50", "head -n 1": "uid: missing"} {
		cmd := w.inside(program("emperor"), "logs", "a")
		cmd.Env = append(cmd.Env, "EMPEROR_PAGER="+pager)
		s := sit(t, cmd)
		s.expect(want)
		if code := s.ended(); code != 0 || pager == "cat" && strings.Contains(s.seen, "paged") {
			t.Errorf("with %q: exit code %d, %q", pager, code, s.seen)
		}
	}
}
