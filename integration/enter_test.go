//go:build linux

package integration

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// entered returns a command that enters a vassal of the world.
func (w *world) entered(args ...string) *exec.Cmd {
	cmd := w.inside(program("emperor"), append([]string{"enter"}, args...)...)
	cmd.Env = append(cmd.Env, "SECRET=of the operator", "TERM=vt100", "LANG=C.UTF-8")
	return cmd
}

// rights returns the lines of proc_pid_status(5) about the rights of a process.
func rights(status string) (found []string) {
	for line := range strings.Lines(status) {
		if key, _, _ := strings.Cut(line, ":"); slices.Contains([]string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"}, key) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// A program of enter has exactly the rights of the vassal, and finds no environment,
// descriptor or key of the operator.
func TestEnterIsTheVassal(t *testing.T) {
	t.Parallel()
	bounded := "privileged-binary-patch-arg = setpriv --reuid 4001 --regid 4002 --groups 77 --inh-caps +net_bind_service --ambient-caps +net_bind_service --bounding-set -all,+net_bind_service,+kill --no-new-privs sleep 1000"
	for name, options := range map[string][]string{
		"user": {"uid = vassal001", "gid = vassal001", serves}, "capabilities": {bounded, "privileged-binary-patch-init = true"}, "stand-in": {bounded}, "root": {serves},
	} {
		for _, clone := range []string{allNamespaces, "--emperor-use-clone=user=identity,pid,net,fs", "--emperor-use-clone=uts", "--emperor-use-clone=pid,time"} {
			t.Run(name+clone, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.vassal("a.ini", options...)
				e := w.start(clone)
				pid := e.running("a.ini")
				eventually(t, "it is what it becomes", func() bool {
					text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
					if list := children(pid); string(text) == "vassal-init\n" && len(list) == 1 {
						pid = list[0]
					}
					return !slices.Contains(options, bounded) || string(text) == "sleep\n"
				})
				model, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				if err != nil {
					t.Fatal(err)
				}
				cmd := w.entered("a", "cat", "/proc/self/status")
				cmd.ExtraFiles = []*os.File{os.Stdin, os.Stdin} // descriptors that a shell left open
				if got, want := rights(output(t, cmd)), rights(string(model)); !reflect.DeepEqual(got, want) {
					t.Errorf("it has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				env := strings.Split(output(t, w.entered("a", "env")), "\n")
				slices.Sort(env)
				want := []string{"HOME=/", "LANG=C.UTF-8", "LOGNAME=vassal001", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=vt100", "USER=vassal001"}
				if name == "root" {
					want[0], want[2], want[5] = "HOME=/root", "LOGNAME=root", "USER=root"
				}
				if !slices.Equal(env, want) {
					t.Errorf("its environment is %q, want %q", env, want)
				}
				if got, want := output(t, w.entered("a", "sh", "-c", "cd /proc/self/fd && echo *")), "0 1 2"; !strings.HasPrefix(got, want) || strings.Contains(got, "4") {
					t.Errorf("its descriptors are %s", got)
				}
				if got, want := output(t, w.entered("a", "cat", "/proc/self/cgroup")), strings.Join(lines(fmt.Sprintf("/proc/%d/cgroup", pid)), "\n"); got != want {
					t.Errorf("it is in the cgroups\n%s, want\n%s", got, want)
				}
				e.stop(syscall.SIGTERM)
			})
		}
	}
}

// With --root the program runs as root of this machine, outside the vassal's cgroup, and
// emperor reports that.
func TestEnterAsRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	out := output(t, w.entered("--root", "a", "sh", "-c", "id -u; env; readlink /proc/self/ns/mnt; cat /proc/self/status /proc/self/cgroup"))
	for _, want := range []string{`entering "a.ini" with all rights: its programs run as root of this machine`, "\n0\n", "HOME=/root", namespace(t, pid, "mnt")} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q: %s", want, out)
		}
	}
	if strings.Contains(out, "SECRET") || strings.Contains(out, "a_ini") {
		t.Errorf("it has something of the operator's, or is in the vassal's cgroup: %s", out)
	}
	e.stop(syscall.SIGTERM)
}

func TestEnterExitStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
	w.vassal("b.ini", "uid = 4001", "gid = 4001", "wait-for-interface = never", serves)
	w.write(w.path("s/text"), "no program\n")
	w.write(w.path("s/script"), "#!/none/such\n")
	w.run("chmod 755 " + w.path("s/script"))
	e := w.start(allNamespaces)
	e.running("a.ini")
	for _, tt := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"a", "true"}, 0, ""},
		{[]string{"a", "--", "true"}, 0, ""},
		{[]string{"a", "sh", "-c", "exit 7"}, 7, ""},
		{[]string{"a", "sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"a", "sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		{[]string{"a", "no-such-program"}, 127, `cannot run "no-such-program": no such program`},
		{[]string{"a", "/no/such/program"}, 127, "no such program"},
		{[]string{"a", w.path("s/text")}, 126, "permission denied"},
		{[]string{"a", "/etc"}, 126, "permission denied"},
		{[]string{"a", w.path("s/script")}, 126, "no such file"},
		{[]string{"none", "true"}, 4, "none"},
		{[]string{"b", "true"}, 1, `"b.ini" is starting and still runs as root (use --root to enter as root)`},
		{[]string{"--root", "b", "true"}, 0, "with all rights"},
	} {
		out, err := w.entered(tt.args...).CombinedOutput()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if code != tt.code || !strings.Contains(string(out), tt.said) || tt.said == "" && len(out) > 0 {
			t.Errorf("%q: code %d, %q; want %d, %q", tt.args, code, out, tt.code, tt.said)
		}
	}
	e.stop(syscall.SIGTERM)
}

// Without a terminal there are pipes, which change and lose nothing: long output, output of
// processes left behind, and output that is not read.
func TestEnterPipes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	random := make([]byte, 3<<20)
	_, _ = rand.Read(random)
	cmd := w.entered("a", "cat")
	cmd.Stdin = bytes.NewReader(random)
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, random) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(random), err)
	}
	for range 20 { // the end of the program is not the end of its output
		if got, err := w.entered("a", "head", "-c", "60000", "/dev/zero").Output(); err != nil || len(got) != 60000 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	var out, complaint bytes.Buffer
	cmd = w.entered("a", "sh", "-c", "echo out; echo err >&2; sleep 1000 & readlink /proc/self/fd/0 /proc/self/fd/1")
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil || complaint.String() != "err\n" || !strings.HasPrefix(out.String(), "out\npipe:[") {
		t.Errorf("%q, %q, %v", out.String(), complaint.String(), err)
	}
	if out := w.run(program("emperor") + " enter a yes | head -1; echo over"); out != "y\nover" {
		t.Errorf("a reader that goes away: %q", out)
	}
	w.remove("a.ini")
	e.gone("a.ini")
	if alive(pid) {
		t.Error("it lives")
	}
	e.stop(syscall.SIGTERM)
}

// The program of enter ends with the command, and the command ends with the vassal.
func TestEnterEndsTogether(t *testing.T) {
	t.Parallel()
	for _, clone := range []string{allNamespaces, "--emperor-use-clone=uts"} {
		t.Run(clone, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
			e := w.start(clone)
			pid := e.running("a.ini")
			runs := func(seconds string) func() bool {
				return func() bool {
					return slices.ContainsFunc(w.processes(), func(p string) bool {
						_, command, _ := strings.Cut(strings.TrimSpace(p), " ")
						return command == "sleep "+seconds
					})
				}
			}
			for signal, want := range map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGTERM: 128 + 15, syscall.SIGINT: 128 + 2, syscall.SIGQUIT: 128 + 3} {
				cmd := w.entered("a", "sleep", "4321")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				eventually(t, "it runs", runs("4321"))
				_ = cmd.Process.Signal(signal)
				_ = cmd.Wait()
				if code := cmd.ProcessState.ExitCode(); code != want {
					t.Errorf("after %v: code %d, want %d", signal, code, want)
				}
				eventually(t, "what it ran is gone", func() bool { return !runs("4321")() })
			}
			cmd := w.entered("a", "sleep", "4322")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it runs", runs("4322"))
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 128+9 {
				t.Errorf("after the end of the vassal: code %d", code)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// cooked reports whether the terminal edits lines, echoes and makes signals from keys, as a
// new one does.
func (s *screen) cooked() bool {
	s.t.Helper()
	t, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	const line = unix.ICANON | unix.ECHO | unix.ISIG | unix.IEXTEN
	return t.Lflag&line == line && t.Iflag&unix.ICRNL != 0 && t.Oflag&unix.OPOST != 0
}

// On a terminal the program gets a terminal of its own: keys make signals there, the size is
// passed on, and no process in the vassal has the operator's terminal.
func TestEnterOnATerminal(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"user": {"a"}, "root": {"--root", "a"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
			e := w.start(allNamespaces)
			e.running("a.ini")
			// The operator's shell shows that the terminal is restored.
			s := sit(t, w.inside("sh", "-c", "echo $(tty) $(stty -g) >"+w.path("before")+"; "+program("emperor")+" enter "+strings.Join(args, " ")+
				"; echo code $?; echo $(tty) $(stty -g) >"+w.path("after")+"; read line; echo read $line"))
			s.expect("a.ini:/")
			s.write("stty size; tty -s && echo on a ter''minal; ls -l /proc/self/fd; echo li''sted\n")
			s.expect("31 91")
			s.expect("on a terminal")
			s.expect("0 -> /dev/pts/")
			theirs, _, _ := strings.Cut(s.seen, "\r\n")
			s.expect("listed")
			if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 25, Cols: 100}); err != nil {
				t.Fatal(err)
			}
			s.write("until stty size | grep '25 100'; do sleep 0.1; done; echo res''ized\n")
			s.expect("resized")
			s.write("sleep 1000\n")
			s.expect("sleep 1000")
			s.press("\x03", "a.ini:/")
			s.write("echo $?; sleep 1001\n")
			s.expect("130")
			s.press("\x1c", "a.ini:/")
			s.write("echo $?\n")
			s.expect("131")
			s.write("exit 3\n")
			s.expect("code 3")
			s.write("typed\n")
			s.expect("read typed")
			before, after := lines(w.path("before")), lines(w.path("after"))
			if len(before) != 1 || !slices.Equal(before, after) {
				t.Errorf("the terminal is %q, and was %q", after, before)
			}
			if number, _, _ := strings.Cut(before[0], " "); number == "/dev/pts/"+theirs {
				t.Errorf("it has the operator's terminal %s", number)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// A terminal is restored when the program, the vassal or the command itself dies.
func TestEnterRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, vassal int, s *screen){
		"vassal":  func(_ *world, vassal int, _ *screen) { _ = syscall.Kill(vassal, syscall.SIGKILL) },
		"command": func(_ *world, _ int, s *screen) { _ = s.cmd.Process.Kill() },
		"told":    func(_ *world, _ int, s *screen) { _ = s.cmd.Process.Signal(syscall.SIGTERM) },
		"program": func(_ *world, _ int, s *screen) { s.write("kill -KILL $$\n") },
		"stubborn": func(_ *world, _ int, s *screen) {
			s.write("trap '' HUP TERM; echo stu''bborn\n")
			s.expect("stubborn")
			_ = s.cmd.Process.Signal(syscall.SIGHUP)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			s := sit(t, w.inside(program("emperor"), "enter", "a"))
			s.expect("a.ini:/")
			if s.cooked() {
				t.Error("the terminal is not raw")
			}
			end(w, pid, s)
			_ = s.cmd.Wait()
			eventually(t, "the terminal is as it was", s.cooked)
			eventually(t, "nothing is left of it", func() bool {
				return !slices.ContainsFunc(w.processes(), func(p string) bool {
					_, command, _ := strings.Cut(p, " ")
					return strings.HasPrefix(command, "/bin/sh ") || strings.HasPrefix(command, "emperor-")
				})
			})
			e.stop(syscall.SIGTERM)
		})
	}
}

// When only standard input is a terminal, the program has a terminal for it and its keys,
// while output goes through pipes unchanged.
func TestEnterWithOutputElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	s := sit(t, w.inside("sh", "-c", program("emperor")+" enter a sh -c 'test -t 0 && ! test -t 1; echo $?; read line; echo asked >/dev/tty; echo \"$line\"' >"+w.path("out")+" 2>&1"))
	eventually(t, "it reads", func() bool { return len(lines(w.path("out"))) > 0 })
	s.write("ans''wer\n")
	s.expect("ans''wer") // the echo
	s.expect("asked")
	_ = s.cmd.Wait()
	if text, err := os.ReadFile(w.path("out")); err != nil || string(text) != "0\nans''wer\n" {
		t.Errorf("it printed %q, %v", text, err)
	}
	e.stop(syscall.SIGTERM)
}

// A shell expands its prompt: the prompt shows only plain characters of a name.
func TestPromptRunsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := "$(touch " + strings.ReplaceAll(w.path("s/x"), "/", "") + ")`id`\\u.ini"
	w.vassal(name, "uid = 4001", "gid = 4001", "chdir = "+w.path("s"), serves)
	e := w.start(allNamespaces)
	e.running(name)
	s := sit(t, w.inside(program("emperor"), "enter", name))
	s.expect("??touch?")
	s.expect("??id??u.ini:/")
	s.write("exit\n")
	_ = s.cmd.Wait()
	e.stop(syscall.SIGTERM)
}

// The program that shows a terminal runs outside, and only a connection leads into the vassal.
func TestAttachRunsOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "pty-socket = "+w.path("s/tty"), "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = sh -i")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	s := sit(t, w.inside(program("emperor"), "attach", "a"))
	s.expect("ready>")
	clients := 0
	for _, p := range w.processes() {
		number, command, _ := strings.Cut(p, " ")
		if client, err := strconv.Atoi(number); err == nil && strings.Contains(command, "vassal-helper pty --connected") {
			clients++
			if namespace(t, client, "mnt") == namespace(t, pid, "mnt") {
				t.Error("the client is where the vassal is")
			}
		}
	}
	if clients != 1 {
		t.Errorf("there are %d clients", clients)
	}
	s.write("\x1d")
	s.expect("Detached.")
	e.stop(syscall.SIGTERM)
}
