//go:build linux

package integration

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readers are ends of an emperor's log that take nothing, or nothing more after the first
// line. end is called after that line.
var readers = map[string]func(t *testing.T) (log *os.File, end func()){
	"a pipe without a reader": func(t *testing.T) (*os.File, func()) {
		read, write, err := os.Pipe()
		return write, untilFirstLine(t, read, err)
	},
	"a socket without a peer": func(t *testing.T) (*os.File, func()) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return os.NewFile(uintptr(pair[0]), "log"), untilFirstLine(t, os.NewFile(uintptr(pair[1]), "reader"), err)
	},
	"a full disk": func(t *testing.T) (*os.File, func()) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		return full, func() {}
	},
}

func untilFirstLine(t *testing.T, read *os.File, err error) func() {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if line, err := bufio.NewReader(read).ReadString('\n'); err != nil || !strings.Contains(line, "is watching") {
			t.Errorf("the first line is %q, %v", line, err)
		}
		read.Close()
	}
}

// An emperor whose log reader is gone supervises as before and ends in order, and its vassals
// do not inherit an ignored SIGPIPE.
func TestEmperorOutlivesItsLogReader(t *testing.T) {
	t.Parallel()
	for name, reader := range readers {
		for _, ignored := range []bool{false, true} {
			t.Run(name+", SIGPIPE ignored: "+strconv.FormatBool(ignored), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				log, end := reader(t)
				shell := "exec"
				if ignored {
					shell = `trap "" PIPE; exec`
				}
				cmd := w.inside("sh", "-c", shell+` "$@"`, "sh", program("emperor"), "--exec-as-emperor-after-vassal", "echo $UWSGI_VASSAL_CONFIG >>"+w.path("after"), w.vassals)
				cmd.Stdout, cmd.Stderr = log, log
				cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				log.Close()
				end()
				w.vassal("a.ini", "exec-as-user-atexit = echo a >>"+w.path("atexit"), "command = sh -c 'grep SigIgn /proc/self/status >"+w.path("ignored")+"; exec sleep 1000000'")
				w.awaitState("a.ini", "running")
				w.vassal("b.ini", "uid = 0day")
				w.awaitState("b.ini", "idle")
				w.vassal("b.ini", serves)
				w.awaitState("b.ini", "running")
				eventually(t, "the program runs", func() bool { return holds(w.path("ignored"), "SigIgn") })
				_, mask, _ := strings.Cut(strings.TrimSpace(w.run("cat "+w.path("ignored"))), "\t")
				if set, err := strconv.ParseUint(mask, 16, 64); err != nil || set&(1<<(syscall.SIGPIPE-1)) != 0 {
					t.Errorf("the program ignores the signals %s, %v", mask, err)
				}
				_ = cmd.Process.Signal(syscall.SIGINT)
				if err := cmd.Wait(); err != nil {
					t.Errorf("the emperor ended with %v", err)
				}
				if !holds(w.path("atexit"), "a") || !holds(w.path("after"), "a.ini") || !holds(w.path("after"), "b.ini") {
					t.Error("hooks of the end did not run")
				}
			})
		}
	}
}

// awaitState waits until list shows a state of a vassal.
func (w *world) awaitState(name, state string) {
	w.t.Helper()
	eventually(w.t, name+" is "+state, func() bool {
		out, _ := w.command("list")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == name && f[1] == state {
				return true
			}
		}
		return false
	})
}

// Commands end as other programs do when the reader of their output is gone: silently, by
// SIGPIPE or with the exit code that a shell makes of it. A follower does not wait for the
// next line, and errors of other kinds are reported.
func TestCommandsWithoutAReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = sh -c 'echo here; exec sleep 1000000'")
	e := w.start()
	e.await("a.ini", "here")
	w.write("wrong.ini", ini("uid = 0day"))
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"status", "a.ini"}, {"logs", "a.ini"}, {"events"}, {"check", w.path("wrong.ini")}, {"help"}} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		said, code := w.printingTo(write, args...)
		if said != "" || code != -1 && code != 128+int(syscall.SIGPIPE) {
			t.Errorf("%s without a reader: exit code %d, said %q", args[0], code, said)
		}
	}
	for _, args := range [][]string{{"logs", "-f", "a.ini"}, {"events", "-f", "a.ini"}} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { // it has printed everything
			_, _ = bufio.NewReader(read).ReadString('\n')
			read.Close()
		}()
		if said, code := w.printingTo(write, args...); said != "" || code != 128+int(syscall.SIGPIPE) && code != -1 {
			t.Errorf("%s -f: exit code %d, said %q", args[0], code, said)
		}
	}
	for _, args := range [][]string{{"list"}, {"logs", "a.ini"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if said, code := w.printingTo(full, args...); code != 1 || !strings.Contains(said, "no space left") {
			t.Errorf("%s on a full disk: exit code %d, said %q", args[0], code, said)
		}
	}
}

// printingTo runs a command of the emperor with a standard output, which it closes, and
// returns the rest of the command's output and its exit code; -1: SIGPIPE.
func (w *world) printingTo(out *os.File, args ...string) (said string, code int) {
	w.t.Helper()
	cmd := w.inside(program("emperor"), args...)
	var errors strings.Builder
	cmd.Stdout, cmd.Stderr = out, &errors
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	out.Close()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	late.Stop()
	if x, ok := err.(*exec.ExitError); ok && x.Sys().(syscall.WaitStatus).Signaled() { //nolint:errorlint // it is what Wait returns
		if s := x.Sys().(syscall.WaitStatus).Signal(); s != syscall.SIGPIPE {
			w.t.Errorf("%s ended by %v", args[0], s)
		}
		return errors.String(), -1
	}
	return errors.String(), cmd.ProcessState.ExitCode()
}
