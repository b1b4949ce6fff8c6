//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// foreigner is a program that vassals execute: it prints its identity and place, and whether
// the descriptor to the emperor is valid for a program of uWSGI.
func (w *world) foreigner(name string) string {
	w.t.Helper()
	path := w.path(name)
	w.write(path, `#!/usr/bin/python3
import fcntl, os, time
fd = int(os.environ["UWSGI_EMPEROR_FD"])
print("I am `+name+` in", os.getcwd(), "nonblocking:", bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK), flush=True)
os.write(fd, b"\x05")
os.read(fd, 1)
`)
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// The section [emperor] chooses the program that a vassal executes, and where. Vassals without
// it run our program, and are checked.
func TestWrapperByAttribute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	program := w.foreigner("other")
	w.vassal("other.ini", "no-option-of-ours = 1", "uid = 0day", "[emperor]", "become = "+program, "place = /usr", "colour = blue", "hidden = 1")
	w.vassal("ours.ini", serves)
	w.vassal("wrong.ini", serves, "uid = 0day")
	e := w.start(allNamespaces, "--emperor-wrapper-attr", "become", "--emperor-chdir-attr", "place", "--emperor-collect-attr", "colour")
	e.await("other.ini", "I am other in /usr nonblocking: False")
	first := e.running("other.ini")
	e.running("ours.ini")
	e.await("wrong.ini", "is neither a number nor a name")
	if text := w.succeed("status", "other.ini"); !strings.Contains(text, "colour=blue") || strings.Contains(text, "hidden") {
		t.Errorf("status prints\n%s", text)
	}
	second := w.foreigner("another")
	w.vassal("other.ini", "[emperor]", "become = "+second)
	e.await("other.ini", "I am another in "+w.vassals)
	if again := e.running("other.ini"); again == first {
		t.Error("it became another program in the same process")
	}
	e.stop(syscall.SIGTERM)
}

// The order of programs: overrides, the wrapper, fallbacks, each if it can be executed.
func TestWrapperOverrideAndFallback(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ args, want string }{
		"an override wins":         {"--emperor-wrapper-override /nowhere --emperor-wrapper-override A --emperor-wrapper B --emperor-wrapper-fallback C", "I am A"},
		"then the wrapper":         {"--emperor-wrapper-override /nowhere --emperor-wrapper B --emperor-wrapper-fallback C", "I am B"},
		"then a fallback":          {"--emperor-wrapper /nowhere --emperor-wrapper-fallback /nowhere --emperor-wrapper-fallback C", "I am C"},
		"before it, without any":   {"--emperor-wrapper-override /nowhere --emperor-wrapper-fallback C", "ours it is"},
		"and none that can be run": {"--emperor-wrapper /nowhere", "cannot become \\\"/nowhere\\\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "exec-as-root = echo ours it is", serves)
			args := strings.Fields(tt.args)
			for i, a := range args {
				if len(a) == 1 {
					args[i] = w.foreigner(a)
				}
			}
			e := w.start(append(args, "--emperor-throttle", "60000")...)
			e.await("a.ini", tt.want)
			e.stop(syscall.SIGTERM)
		})
	}
}

// An on-demand vassal that runs continues when its file comes to bind the address that the
// emperor holds, and the file is refused.
func TestOnDemandThatWouldBindItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/a.socket")
	w.vassal("a.ini", "command = sleep 1000000")
	e := w.start(allNamespaces, "--emperor-on-demand-directory", w.path("s"))
	e.await("a.ini", "on demand")
	c, err := netDial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pid := e.running("a.ini")
	w.vassal("a.ini", "http-socket = "+socket, "command = sleep 1000000")
	e.await("a.ini", "its configuration binds the same address")
	if text := w.succeed("list"); !strings.Contains(text, "binds the same address") {
		t.Errorf("list prints\n%s", text)
	}
	e.undisturbed("a.ini", pid)
	w.vassal("a.ini", "env = A=b", "command = sleep 1000000")
	e.await("a.ini", "reloading -> running")
	e.stop(syscall.SIGTERM)
}

// A vassal that reports to be loyal and dies each time waits longer and longer.
func TestLoyaltyIsNoPardon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.path("liar")
	w.write(path, "#!/usr/bin/python3\nimport os\nos.write(int(os.environ['UWSGI_EMPEROR_FD']), b'\\x05\\x11')\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	w.vassal("a.ini", "x = y")
	e := w.start("--emperor-wrapper", path, "--emperor-backoff", "100ms", "--emperor-max-throttle", "60000")
	var pauses []time.Duration
	last := time.Now()
	for range 4 {
		at := e.await("a.ini", "launching -> starting").Time
		pauses, last = append(pauses, at.Sub(last)), at
	}
	if pauses[3] < 300*time.Millisecond {
		t.Errorf("the pauses are %v", pauses[1:])
	}
	e.stop(syscall.SIGTERM)
}

// Sockets by LISTEN_FDS are enough for the built-in server, also by hand.
func TestSocketsByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www") + " && echo by hand >" + w.path("www/index.html"))
	w.write("a.ini", ini("static-map = /="+w.path("www")))
	out := w.run("export PATH=" + os.Getenv(binEnv) + ":$PATH; " +
		"python3 - " + w.path("a.ini") + " <<'E'\n" + `import os, socket, subprocess, sys, time
s = socket.create_server(("127.0.0.1", 7321))
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
p = os.fork()
if p == 0:
    os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="http-socket", LISTEN_PID=str(os.getpid()))
    os.execvp("vassal", ["vassal", "--ini", sys.argv[1]])
print(subprocess.run(["curl", "-sS", "--max-time", "20", "http://127.0.0.1:7321/"], capture_output=True, text=True).stdout)
os.kill(p, 15)
os.waitpid(p, 0)
` + "E\n")
	if !strings.Contains(out, "by hand") {
		t.Errorf("it answers %q", out)
	}
}
