//go:build linux

package integration

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// preload compiles a library that records in a file which process loads it.
func (w *world) preload() (library, trace string) {
	w.t.Helper()
	library, trace = w.path("preload.so"), w.path("s/loaded")
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-Wall", "-Werror", `-DPRELOAD_TRACE="`+trace+`"`, "-o", library, "testdata/preload.c").CombinedOutput()
	if err != nil {
		w.t.Fatalf("gcc: %v\n%s", err, out)
	}
	return library, trace
}

// The emperor's helper that probes a program is root until it has entered the program's
// namespaces. The probed command gets the environment that the program chose, and no process
// gets it earlier.
func TestEnvironmentOfAProgramReachesNoRoot(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"user namespace": {"--emperor-use-clone=user=identity,net,fs"},
		"native twin":    {"--emperor-use-clone=net,fs", "--emperor-vassal", program("vassal-native")},
		"both":           {"--emperor-use-clone=user=identity,pid,net,fs", "--emperor-vassal", program("vassal-native")},
	} {
		for kind, probe := range map[string]string{
			"exec": `exec:sh -c 'test -e "$PROBED" && test -n "$LD_PRELOAD"'`,
			"tcp":  "tcp:127.0.0.1:8080",
			"http": "http://localhost:8080/health",
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				library, trace := w.preload()
				open := w.late("a.ini", "env = LD_PRELOAD="+library, "env = LD_LIBRARY_PATH="+w.path("s"), "env = GODEBUG=execerrdot=0",
					"env = EMPEROR_SETNS=1", "ready-probe = "+probe)
				e := w.start(args...)
				e.await("a.ini", "waits")
				w.write(open, "")
				e.running("a.ini")
				e.stop(syscall.SIGTERM)
				loadedByTenant(t, trace)
			})
		}
	}
}

// A probe of a name connects from the program's namespaces: package net would try the
// addresses of the name on threads that are still outside, as root.
func TestProbeOfANameStaysInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("hosts", "127.0.0.1 localhost outside\n::1 localhost outside\n")
	w.run("mount --bind " + w.path("hosts") + " /etc/hosts")
	defer w.run("umount /etc/hosts")
	seen := w.path("s/seen")
	host := w.inside("python3", "-c", `
import socket, sys
s = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
print("listens", flush=True)
while True:
    s.accept()
    open(sys.argv[1], "w").close()`, seen)
	host.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Process.Kill(); _ = host.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for name, probe := range map[string]string{
		"http.ini": "http://localhost:8080/", "tcp.ini": "tcp:localhost:8080", "name.ini": "tcp:outside:8080", "names.ini": "http://outside:8080/",
	} {
		w.vassal(name, "uid = 4001", "gid = 4001", "ready-probe = "+probe, "ready-timeout = 2", "unprivileged-binary-patch-arg = sleep 1000")
	}
	e := w.start(allNamespaces, "--emperor-throttle", "60000",
		"--hook-as-emperor-setns", "net wait_for_socket:nowhere.example:8080")
	for _, name := range []string{"http.ini", "tcp.ini", "name.ini", "names.ini"} {
		e.await(name, "is not an IP address") // of the hook
		e.await(name, "not ready before the timeout")
	}
	e.stop(syscall.SIGTERM)
	if _, err := os.Stat(seen); err == nil {
		t.Error("a program of the host was connected to")
	}
}

// An emperor that runs on the operator's terminal has it as its controlling terminal. The
// program of a probe, which belongs to the tenant, has none: it could insert input there.
func TestProbeHasNoTerminal(t *testing.T) {
	t.Parallel()
	for _, clone := range []string{"--emperor-use-clone=uts", "--emperor-use-clone=user=identity,pid,fs"} {
		w := newWorld(t)
		w.vassal("a.ini", "uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = sleep 1000",
			"ready-probe = exec:sh -c 'cut -d\" \" -f7 /proc/self/stat >"+w.path("s/terminal")+"; true </dev/tty && echo open >>"+w.path("s/terminal")+"; true'")
		s := sit(t, w.inside(program("emperor"), clone, w.vassals))
		s.expect("a.ini: starting -> running")
		if got := lines(w.path("s/terminal")); !slices.Equal(got, []string{"0"}) {
			t.Errorf("%s: its terminal is %q", clone, got)
		}
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
	}
}

// A program that drops root itself is probed with its remaining rights, in the environment
// that it has chosen then. The same holds for a program that executes a set-user-id program,
// which has more rights than the vassal.
func TestProbeOfAProgramThatDropsItself(t *testing.T) {
	t.Parallel()
	for _, clone := range []string{allNamespaces, "--emperor-use-clone=uts", "--emperor-use-clone=user=identity,pid,fs"} {
		t.Run(clone, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			library, trace := w.preload()
			w.vassal("a.ini", "privileged-binary-patch-arg = setpriv --reuid 4001 --regid 4001 --clear-groups env LD_PRELOAD="+library+" sleep 1000",
				`ready-probe = exec:sh -c 'test -n "$LD_PRELOAD" && id -u | grep -qx 4001 && grep -q "^CapPrm:.0*$" /proc/self/status'`)
			e := w.start(clone)
			e.running("a.ini")
			e.stop(syscall.SIGTERM)
			loadedByTenant(t, trace)
		})
	}
}

// gained is a program that has the set-user-id bit and waits.
func (w *world) gained() string {
	w.t.Helper()
	w.write("gained.c", "#include <unistd.h>\nint main(int n, char **a) { if (n > 1 && (setgid(0) || setuid(0))) return 1; for (;;) pause(); }\n")
	if out, err := exec.Command("gcc", "-o", w.path("gained"), w.path("gained.c")).CombinedOutput(); err != nil {
		w.t.Fatalf("gcc: %v\n%s", err, out)
	}
	w.run("chmod 4755 " + w.path("gained"))
	return w.path("gained")
}

func TestRightsOfAFileAreNotTheVassals(t *testing.T) {
	t.Parallel()
	for _, all := range []string{"", " all"} {
		w := newWorld(t)
		w.vassal("a.ini", "uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = "+w.gained()+all,
			"ready-probe = exec:sh -c 'id -u >>"+w.path("s/id")+"; id -u | grep -qx 0'", "ready-timeout = 1")
		e := w.start("--emperor-use-clone=uts", "--emperor-throttle", "60000")
		e.await("a.ini", "not ready before the timeout")
		e.await("a.ini", "-> backoff")
		for _, uid := range lines(w.path("s/id")) { // before the vassal has executed the program
			if uid != "4001" {
				t.Errorf("the probe ran as %s", uid)
			}
		}
		w.vassal("b.ini", "uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = "+w.gained()+all)
		pid := e.running("b.ini")
		eventually(t, "it is the program", func() bool {
			text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
			return string(text) == "gained\n"
		})
		if out, code := w.command("enter", "b", "id"); code != 1 || !strings.Contains(out, "rights of its file") {
			t.Errorf("entering it: code %d, %s", code, out)
		}
		e.stop(syscall.SIGTERM)
	}
}

// loadedByTenant checks in a trace of preload that a library was loaded, and only with the ids of the tenant.
func loadedByTenant(t *testing.T, trace string) {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatalf("the library was never loaded: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if line != "4001 4001 4001\n" {
			t.Errorf("it was loaded by uid, euid and egid %s", line)
		}
	}
}
