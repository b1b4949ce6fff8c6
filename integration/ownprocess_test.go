//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownOptions are lines of an emperor's file about its own process. BASE is the world's
// directory, and | a backquote.
var ownOptions = strings.ReplaceAll(`[uwsgi]
emperor = vassals
chdir = BASE/there
umask = 027
max-fd = 1234
flock = BASE/lock
logto = BASE/log
log-maxsize = 4000
log-backupname = BASE/log.old
touch-logreopen = BASE/reopen
pidfile = BASE/pid
procname-prefix-spaced = shop
auto-procname = true
exec-asap = echo asap in |pwd|
exec-as-root = echo as-root |id -u| |umask|
hook-as-root = write:BASE/hooked by a hook
exec-as-user = echo as-user |id -u| >BASE/s/user
exec-as-user-atexit = echo atexit |id -u| >BASE/s/atexit
`, "|", "`")

// ownFile writes an emperor's file with those lines, and vassals below another directory than
// the emperor is started in.
func (w *world) ownFile(more ...string) string {
	w.t.Helper()
	if err := os.MkdirAll(w.path("there/vassals"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.write("there/vassals/a.ini", ini("command = sh -c 'umask >"+w.path("s/umask")+"; ulimit -n >"+w.path("s/limit")+"; exec sleep 1000000'"))
	w.write("e.ini", strings.ReplaceAll(ownOptions, "BASE", w.base)+strings.Join(more, "\n")+"\n")
	return w.path("e.ini")
}

// As in uWSGI, process options in the emperor's file apply to the emperor's own process.
func TestOwnProcessOfTheEmperor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.ownFile()
	cmd := w.inside(program("emperor"), "--ini", file)
	cmd.Dir = w.base
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	w.awaitState("a.ini", "running")
	eventually(t, "the vassal has written", func() bool { return holds(w.path("s/limit"), "1234") })
	pid := cmd.Process.Pid
	log := w.read("log")
	for _, want := range []string{"asap in /", "as-root 0 0027", "is watching"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not have %q:\n%s", want, log)
		}
	}
	for file, want := range map[string]string{"s/umask": "0027", "s/user": "as-user 0", "hooked": "by a hook"} {
		if got := strings.TrimSpace(w.read(file)); got != want {
			t.Errorf("%s has %q, want %q", file, got, want)
		}
	}
	if got := w.read("/proc/" + strconv.Itoa(pid) + "/cmdline"); !strings.HasPrefix(got, "shop emperor watching") {
		t.Errorf("process lists show %q", got)
	}
	if inside := strings.TrimSpace(w.read("pid")); inside == "" {
		t.Error("there is no pid in the pid file")
	}
	second := w.inside(program("emperor"), "--ini", file)
	second.Dir = w.base
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(w.read("log")+string(out), "another process has the lock") {
		t.Errorf("a second emperor: %v, %s", err, out)
	}

	// The log is renamed when it is large, and opened again when it was renamed or the file is
	// touched.
	eventually(t, "the log was renamed", func() bool {
		w.succeed("restart", "a.ini")
		_, err := os.Stat(w.path("log.old"))
		return err == nil
	})
	if err := os.Rename(w.path("log"), w.path("log.moved")); err != nil {
		t.Fatal(err)
	}
	w.succeed("restart", "a.ini")
	eventually(t, "there is a log again", func() bool { return strings.Contains(w.read("log"), "a.ini") })

	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := strings.TrimSpace(w.read("s/atexit")); got != "atexit 0" {
		t.Errorf("at the end %q was written", got)
	}
	if _, err := os.Stat(w.path("pid")); err == nil {
		t.Error("the pid file is still there")
	}
}

// read returns the text of a file, or an empty string when there is none.
func (w *world) read(path string) string {
	if !filepath.IsAbs(path) {
		path = w.path(path)
	}
	text, _ := os.ReadFile(path)
	return string(text)
}

// An init script that starts an emperor with daemonize returns when the log and the pid file
// exist, and with an error when the emperor cannot start. Under a service manager the emperor
// stays in the foreground.
func TestDaemonize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	args := []string{"--emperor", w.vassals, "--daemonize", w.path("log"), "--pidfile", w.path("pid")}
	run := func(args ...string) (string, error) {
		cmd := w.inside(program("emperor"), args...)
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(args...); err != nil || out != "" {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the log is written", func() bool { return strings.Contains(w.read("log"), "is watching") })
	pid := strings.TrimSpace(w.read("pid"))
	if got := strings.Fields(w.run("ps -o sid=,tty= -p " + pid)); len(got) != 2 || got[0] != pid || got[1] != "?" {
		t.Errorf("session and terminal are %q, the pid is %s", got, pid)
	}
	w.awaitState("a.ini", "running")

	// A second emperor cannot have the directory, and prints the error where it was started.
	if out, err := run("--emperor", w.vassals, "--daemonize", w.path("log2"), "--runtime-dir", w.path("run2")); err == nil || !strings.Contains(out, w.vassals) {
		t.Errorf("a second emperor: %v, %q", err, out)
	}
	if out, err := run("--emperor", w.vassals, "--daemonize", w.path("none/log")); err == nil || strings.Count(out, "emperor: daemonize: cannot open the log") != 1 || strings.Count(out, "none/log") != 1 {
		t.Errorf("a log in no directory: %v, %q", err, out)
	}
	w.run("kill " + pid)
	eventually(t, "it has ended", func() bool { _, err := os.Stat(w.path("pid")); return err != nil })
	eventually(t, "it is gone", func() bool { return w.run("ps -o pid= -p "+pid+" || true") == "" })

	cmd := w.inside("env", append([]string{"NOTIFY_SOCKET=" + w.path("none"), program("emperor")}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	w.awaitState("a.ini", "running")
	eventually(t, "the reason is logged", func() bool {
		return strings.Contains(w.read("log"), "expects the emperor in the foreground")
	})
	if len(ended) > 0 {
		t.Error("it went into the background")
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
