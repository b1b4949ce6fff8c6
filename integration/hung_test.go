//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hung mounts a file system that does not answer, as a network file system without its server,
// and unmounts it when its input ends.
const hung = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
path = sys.argv[1].encode()
if libc.mount(b"hung", path, b"fuse", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse) != 0:
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
os.close(fuse)
libc.umount2(path, 2)
`

// hang makes a directory that does not answer until release is called.
func (w *world) hang(at string) (release func()) {
	w.t.Helper()
	return w.hangBy(hung, at)
}

func (w *world) hangBy(script, at string) (release func()) {
	w.t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		w.t.Skipf("no file system that hangs: %v", err)
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		w.t.Fatal(err)
	}
	cmd := w.inside("python3", "-c", script, at)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "mounted\n" {
		_ = cmd.Wait()
		w.t.Skipf("no file system that hangs: %v", err)
	}
	release = func() { in.Close(); _ = cmd.Wait() }
	w.t.Cleanup(release)
	return release
}

// link replaces a file by a symbolic link. Programs such as ln would first stat the target.
func (w *world) link(target, path string) {
	w.t.Helper()
	temporary := path + ".new"
	if err := os.Symlink(target, temporary); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		w.t.Fatal(err)
	}
}

// soon fails when a step took longer than with a file system that answers.
func soon(t *testing.T, begun time.Time, what string) {
	t.Helper()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("%s took %v", what, took)
	}
}

// A file whose file system does not answer, or whose read never ends, delays neither other
// files nor the end; its vassal continues unchanged, and restarts when it dies.
func TestFileThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.hang(w.path("hung"))
	w.vassal("a.ini", serves)
	w.vassal("k.ini", serves)
	e := w.start(allNamespaces)
	pid := e.running("k.ini")
	e.running("a.ini")
	k := filepath.Join(w.vassals, "k.ini")
	w.link(w.path("hung/k.ini"), k)
	w.link("/proc/kmsg", filepath.Join(w.vassals, "kmsg.ini"))
	e.await("k.ini", "cannot use its new configuration; the old one keeps running")
	e.await("kmsg.ini", "cannot use its configuration")
	for name, want := range map[string]string{"k.ini": "cannot be read: it takes too long", "kmsg.ini": "is a file of procfs, in which there are no configurations"} {
		if got := w.list()[name].Error; got != want {
			t.Errorf("list shows %s: %s", name, got)
		}
	}
	begun := time.Now()
	w.vassal("a.ini", "exec-as-root = echo version 2.", serves)
	e.await("a.ini", "version 2.")
	soon(t, begun, "a change of another file")
	e.undisturbed("k.ini", pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if next := e.running("k.ini"); next == pid {
		t.Error("it was not started again")
	}
	w.link(w.path("k2.ini"), k)
	w.write("k2.ini", ini("exec-as-root = echo mended", serves))
	release() // the path of a read that has not ended is not read again
	e.await("k.ini", "mended")
	e.running("k.ini")
	w.hang(w.path("hung"))
	w.link(w.path("hung/k.ini"), k)
	e.await("k.ini", "cannot use its new configuration; the old one keeps running")
	begun = time.Now()
	e.stop(syscall.SIGTERM)
	soon(t, begun, "the end")
}

// A directory that does not answer stops no vassal of its own and none of another directory,
// not even at the start.
func TestDirectoryThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("d1") + " " + w.path("d2") + " " + w.path("d3"))
	for _, name := range []string{"d1/one.ini", "d2/two.ini", "d3/three.ini"} {
		w.write(name, ini(serves))
	}
	release := w.hang(w.path("d1"))
	begun := time.Now()
	e := w.startOver("--emperor-freq", "1", w.path("d1"), w.path("d2"), "glob://"+w.path("d3/*.ini"), allNamespaces)
	two := e.running("two.ini")
	e.running(w.path("d3/three.ini"))
	soon(t, begun, "the start")
	e.await("", "cannot read the directory; its vassals keep running")
	release()
	one := e.running("one.ini")
	if out, code := w.command("--emperor-log-format", "json", "--runtime-dir", w.path("other"), w.path("d1")); code != 1 || !strings.Contains(out, "another emperor does (pid ") {
		t.Errorf("the directory that has answered is not locked: %d, %s", code, out)
	}
	w.hang(w.path("d2"))
	e.await("", "cannot read the directory; its vassals keep running")
	w.write("d1/one.ini", ini("exec-as-root = echo version 2.", serves))
	e.await("one.ini", "version 2.")
	if alive(one) || !alive(two) {
		t.Errorf("one.ini's process lives: %v, two.ini's: %v", alive(one), alive(two))
	}
	if err := syscall.Kill(two, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.await("two.ini", "cannot enter its working directory") // and launches of others continue
	w.write("d1/one.ini", ini("exec-as-root = echo version 3.", serves))
	e.await("one.ini", "version 3.")
	begun = time.Now()
	e.stop(syscall.SIGTERM)
	soon(t, begun, "the end")
}

// Nor does a template, a socket's path or the file of an address that does not answer.
func TestWhatStandsAroundAFileDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.hang(w.path("hung"))
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--vassals-include", w.path("hung/t.ini"))
	e.await("a.ini", "it takes too long")
	release()
	w.write("hung/t.ini", ini("exec-as-root = echo template"))
	e.await("a.ini", "template") // without a change of the file
	e.running("a.ini")
	e.stop(syscall.SIGTERM)

	w.hang(w.path("hung2"))
	w.link(w.path("hung2/b.sock"), filepath.Join(w.vassals, "c.ini.at"))
	w.write(filepath.Join(w.vassals, "b.ini.at"), w.path("hung2/b.sock"))
	w.vassal("b.ini", serves)
	w.vassal("c.ini", serves)
	w.vassal("d.ini", "http-socket = "+w.path("hung2/d.sock"), "exec-as-root = exit 3", serves)
	e = w.start(allNamespaces, "--emperor-on-demand-extension", ".at")
	e.running("a.ini")
	e.await("b.ini", "it takes too long")
	e.await("c.ini", "is a symbolic link, and none is followed")
	e.await("d.ini", "-> backoff") // before it binds its socket
	begun := time.Now()
	e.stop(syscall.SIGINT)
	soon(t, begun, "the end")
}

// An empty file system over the directory stops none of its vassals, and is reported in the
// log.
func TestFileSystemOverTheDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-freq", "1")
	pid := e.running("a.ini")
	w.run("mount -t tmpfs tmpfs " + w.vassals)
	if r := e.await("", "cannot read the directory; its vassals keep running"); !strings.Contains(r.raw, "an empty file system lies over it") {
		t.Errorf("the log says %s", r.raw)
	}
	e.undisturbed("a.ini", pid)
	w.run("umount " + w.vassals)
	e.await("", "the directory can be read again")
	e.undisturbed("a.ini", pid)
	w.remove("a.ini")
	e.gone("a.ini")
}

// Two emperors on one pattern would run its files twice.
func TestPatternHasOneEmperor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	pattern := "glob://" + w.vassals + "/*.ini"
	e := w.startOver(pattern)
	e.running(filepath.Join(w.vassals, "a.ini"))
	for _, second := range []string{pattern, w.vassals} {
		out, code := w.command("--emperor-log-format", "json", "--runtime-dir", w.path("other"), second)
		if code != 1 || !strings.Contains(out, "cannot govern ") || !strings.Contains(out, "another emperor does (pid ") {
			t.Errorf("a second emperor on %s: exit code %d, %s", second, code, out)
		}
	}
}

// Log files that do not answer hold up neither launches, nor other log files, nor the end, and
// take no threads that the emperor has not got already.
func TestLogFilesThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.hang(w.path("hung"))
	const n = 20 // more than may hang
	for i := range n {
		w.vassal(fmt.Sprintf("h%02d.ini", i), "log = "+w.path(fmt.Sprintf("hung/h%02d.log", i)), "exec-as-root = echo hello", serves)
	}
	e := w.start(allNamespaces)
	e.await("h00.ini", "its log file does not answer")
	before := status(t, e.pid(), "Threads")
	for i := range n {
		e.running(fmt.Sprintf("h%02d.ini", i))
	}
	begun := time.Now()
	w.vassal("a.ini", "log = "+w.path("a.log"), "exec-as-root = echo hello", serves)
	e.running("a.ini")
	w.reaches(w.path("a.log"), "hello")
	soon(t, begun, "a launch with another log file")
	if now := status(t, e.pid(), "Threads"); now != before {
		t.Errorf("%s threads, %s before the log files of %d vassals hang", now, before, n)
	}
	release()
	w.vassal("h19.ini", "log = "+w.path("hung/h19.log"), "exec-as-root = echo once more", serves)
	w.reaches(w.path("hung/h19.log"), "once more")
	w.hang(w.path("hung"))
	w.vassal("h19.ini", "log = "+w.path("hung/h19.log"), "exec-as-root = echo in vain", serves)
	begun = time.Now()
	e.stop(syscall.SIGTERM)
	soon(t, begun, "the end")
}

// deadly is hung with a server that takes questions and answers only the first: no
// signal ends a process that has asked (fs/fuse/dev.c, request_wait_answer).
const deadly = `
import ctypes, os, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
path = sys.argv[1].encode()
if libc.mount(b"deadly", path, b"fuse", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fuse) != 0:
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
unique = struct.unpack_from("<IIQ", os.read(fuse, 1 << 17))[2]
init = struct.pack("<IIIIHHIIHHI", 7, 23, 65536, 0, 12, 9, 65536, 1, 0, 0, 0) + bytes(24)
os.write(fuse, struct.pack("<IiQ", 16 + len(init), 0, unique) + init)
def take():
    while True:
        os.read(fuse, 1 << 17)
threading.Thread(target=take, daemon=True).start()
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(path, 2)
os._exit(0)
`

// What no signal ends holds up the end for seconds. The log names it, and the next emperor
// removes what was left.
func TestEndWithoutWhatCannotBeKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.hangBy(deadly, w.path("dead"))
	w.vassal("a.ini", "exec-as-user = exec cat "+w.path("dead/x"), serves)
	w.vassal("b.ini", serves)
	e := w.start(allNamespaces, "--reload-mercy", "1")
	e.running("b.ini")
	e.waitsFor("a.ini", "hook as-user #1 (exec: exec cat "+w.path("dead/x")+")")
	begun := time.Now()
	e.signal(syscall.SIGTERM)
	if code := e.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the end took %v", took)
	}
	told := e.about("a.ini")
	if !strings.Contains(told, `"msg":"a process was killed and does not end","vassal":"a.ini","pid":`) || !strings.Contains(told, `"program":"cat","state":"D"`) ||
		!strings.Contains(told, "the emperor ends without it") {
		t.Errorf("the log says:\n%s", told)
	}
	release()
	w.remove("a.ini")
	e = w.start(allNamespaces)
	e.running("b.ini")
	if left := w.cgroups(); len(left) > 2 { // the emperor's and the vassal's
		t.Errorf("left: %v", left)
	}
	e.stop(syscall.SIGTERM)
}

// A hook that no signal ends, after its timeout, holds up the end for seconds, and
// the next emperor removes what was left.
func TestEndWithoutHookThatCannotBeKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.hangBy(deadly, w.path("dead"))
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-hook-timeout", "1", "--exec-as-emperor-after-vassal", "exec cat "+w.path("dead/x"))
	e.running("a.ini")
	begun := time.Now()
	e.signal(syscall.SIGTERM)
	if code := e.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the end took %v", took)
	}
	if told := e.about("a.ini"); !strings.Contains(told, "it was killed and does not end: process ") || !strings.Contains(told, "(cat), state D") ||
		!strings.Contains(told, "timed out after 1s") {
		t.Errorf("the log says:\n%s", told)
	}
	release()
	e = w.start(allNamespaces) // it removes the hook's cgroup
	e.running("a.ini")
	e.stop(syscall.SIGTERM)
}
