//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// holding starts a shell command in the world that prints a line, waits for that, and ends
// the command at the end of the test.
func (w *world) holding(script string) *exec.Cmd {
	w.t.Helper()
	cmd := w.inside("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		w.t.Fatalf("%s: %v", script, err)
	}
	return cmd
}

// A tenant who can open the directory can lock it, and can bind every abstract name: no
// emperor minds, in whichever pid namespace the locker is, and whether or not it lives.
func TestTenantLocksTheDirectory(t *testing.T) {
	t.Parallel()
	const (
		tenant = "setpriv --reuid 4001 --regid 4001 --clear-groups "
		lock   = "flock --no-fork %s sh -c 'echo; exec sleep 1000'"
		child  = "sh -c 'exec 9<%s; flock 9; echo; sleep 1000 & exit'; sleep 1000"
		apart  = "unshare --pid --fork --kill-child "
	)
	for name, tt := range map[string]struct{ script, warning string }{
		"beside":             {"exec " + tenant + lock, "a process that is no emperor of this user has locked the directory"},
		"in a pid namespace": {"exec " + apart + tenant + lock, "a process that is no emperor of this user has locked the directory"},
		"dead":               {tenant + child, "has locked the directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", serves)
			w.holding(fmt.Sprintf(tt.script, w.vassals))
			for _, what := range []string{w.vassals, "glob://" + w.vassals + "/*.ini"} {
				e := w.startOver(what)
				e.await("", tt.warning)
				e.running(map[bool]string{true: "a.ini", false: w.path("v/a.ini")}[what == w.vassals])
				e.stop(syscall.SIGTERM)
			}
			blind := w.launch(w.inside("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", program("emperor"), "--emperor-log-format", "json", w.vassals))
			blind.await("", "a process that cannot be seen from here has locked the directory")
			blind.await("a.ini", "-> running")
			_ = blind.cmd.Process.Kill() // and with it all that it has started
			blind.wait()
			e := w.start()
			e.running("a.ini")
			e.stop(syscall.SIGTERM)
		})
	}
}

// Emperors are kept apart in all pid namespaces by their claims, and in other mount namespaces
// by the lock of the directory. A kill leaves nothing of either.
func TestEmperorsInOtherNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	options := "--emperor-log-format json --runtime-dir " + w.path("run")
	start := func(unshare, before string, what ...string) *emperor {
		script := before + "exec " + program("emperor") + " " + options + " " + strings.Join(what, " ")
		return w.launch(w.inside("unshare", append(strings.Fields(unshare), "sh", "-c", script)...))
	}
	const pids = "--pid --fork --mount-proc --kill-child"
	for range 2 {
		first := start(pids, "", w.vassals)
		first.await("a.ini", "-> running")
		for _, second := range []*emperor{start(pids, "", w.vassals), start(pids, "", "'glob://"+w.vassals+"/*.ini'"), w.start()} {
			if code := second.wait(); code != 1 {
				t.Errorf("the second emperor ended with %d, want 1", code)
			}
			second.await("", "cannot govern ")
			second.await("", "another emperor does (")
		}
		_ = syscall.Kill(first.cmd.Process.Pid, syscall.SIGKILL) // and with it all that it has started
		first.wait()
	}
	first := w.start("--runtime-dir", w.path("one"))
	first.running("a.ini")
	second := start("--mount", "mount -t tmpfs tmpfs /run && ", w.vassals)
	if code := second.wait(); code != 1 {
		t.Errorf("the emperor with another /run ended with %d, want 1", code)
	}
	second.await("", fmt.Sprintf("another emperor does (pid %d)", first.pid()))
	first.stop(syscall.SIGTERM)
}

// The claims file is removed: it is soon there again, also without rescans, and an emperor that
// starts then is refused. The refusal names another emperor that was faster.
func TestClaimsFileIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	pattern := w.vassals + "/*.ini"
	first := w.startOver("--runtime-dir", w.path("one"), "--emperor-freq", "0", pattern)
	pid := first.running(w.path("v/a.ini"))
	for _, harm := range []string{"rm /run/emperor.claims", "rm /run/emperor.claims; install -m 600 /dev/null /run/emperor.claims"} {
		w.run(harm)
		first.await("", "the file of claims was removed: it is made again")
		out, code := w.command("--runtime-dir", w.path("two"), pattern)
		if code != 1 || !strings.Contains(out, fmt.Sprintf("another emperor does (pid %d)", first.pid())) {
			t.Errorf("after %s: exit code %d, %s", harm, code, out)
		}
	}
	w.write("faster.py", `
import fcntl, os, time
f = open("/run/new", "w", opener=lambda path, how: os.open(path, how, 0o600))
fcntl.lockf(f, fcntl.LOCK_EX)
os.rename("/run/new", "/run/emperor.claims")
time.sleep(4)
`)
	w.run("python3 " + w.path("faster.py") + " >/dev/null 2>&1 &")
	first.await("", "the file of claims was removed, and cannot be made again")
	first.await("", "the file of claims was removed: it is made again")
	first.undisturbed(w.path("v/a.ini"), pid)
	first.stop(syscall.SIGTERM)
}

// Patterns of two emperors overlap: each file has one of them, and the other one when that
// has ended.
func TestOverlappingPatterns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("ln -s v " + w.path("link"))
	w.vassal("a.ini", serves)
	first := w.startOver("--runtime-dir", w.path("one"), w.vassals+"/*.ini")
	pid := first.running(w.path("v/a.ini"))
	runs := fmt.Sprintf("another emperor runs it (pid %d)", first.pid())
	w.run("mkdir -p " + w.path("w"))
	w.write("w/c.ini", ini(serves))
	second := w.startOver("--runtime-dir", w.path("two"), w.path("*/*.in[i]"))
	second.running(w.path("w/c.ini"))
	second.await(w.path("link/a.ini"), runs)
	out, _ := w.command("--runtime-dir", w.path("two"), "status", w.path("link/a.ini"))
	if !strings.Contains(out, runs) {
		t.Errorf("status prints %s", out)
	}
	for _, refused := range []string{w.vassals, w.path("link/*.ini"), w.path("v/../link/./*.ini"), w.path("link")} {
		out, code := w.command("--runtime-dir", w.path("three"), refused)
		if code != 1 || !strings.Contains(out, "cannot govern") {
			t.Errorf("an emperor on %s: exit code %d, %s", refused, code, out)
		}
	}
	first.undisturbed(w.path("v/a.ini"), pid)
	first.stop(syscall.SIGTERM)
	second.running(w.path("link/a.ini"))
	second.stop(syscall.SIGTERM)
}

// However often an emperor finds a file, it is one vassal.
func TestFileFoundTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("ln -s v " + w.path("link"))
	w.vassal("a.ini", serves)
	e := w.startOver("--emperor", w.vassals, "--emperor", w.path("*/*.ini"), "--emperor", w.path("link/a.ini"))
	pid := e.running("a.ini")
	told := "its file is found by another name as well"
	e.await("a.ini", told)
	e.await("a.ini", told)
	w.vassal("b.ini", serves)
	eventually(t, "one more vassal", func() bool {
		out, _ := w.command("list")
		return strings.Count(out, " running ") == 2
	})
	if out, _ := w.command("status", "a.ini"); !strings.Contains(out, filepath.Join(w.base, "link/a.ini")+", which has the same name or is the same file") {
		t.Errorf("status prints %s", out)
	}
	e.undisturbed("a.ini", pid)
	w.remove("a.ini")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
}
