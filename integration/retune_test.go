//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The emperor's own file is read again at SIGHUP, and when it is touched itself: options that
// can change at run time do, the others are named, a mistake changes nothing, and a changed
// template takes effect for its vassals.
func TestEmperorsFileIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("around.ini", "[uwsgi]\nenv = AROUND=first\n")
	w.vassal("a.ini", "command = sh -c 'echo around $AROUND; exec sleep 1000000'")
	file := func(more ...string) {
		w.write("e.ini", ini(append([]string{"emperor = " + w.vassals, "emperor-log-format = json", "touch-reload = %p"}, more...)...))
	}
	file("vassals-include = "+w.path("around.ini"), "exec-as-emperor = echo hook one")
	e := w.launch(w.inside(program("emperor"), "--ini", w.path("e.ini")))
	pid := e.running("a.ini")
	e.await("a.ini", "hook one")
	e.await("a.ini", "around first")

	// A new hook and log level by touch, a namespace that needs a restart.
	w.vassal("b.ini", serves)
	e.running("b.ini")
	file("vassals-include = "+w.path("around.ini"), "exec-as-emperor = echo hook two", "log-level = debug", "emperor-use-clone = uts")
	e.await("", "touched: reloading all vassals")
	e.await("", `need a restart","options":"emperor-use-clone"`)
	e.await("", `are in effect","options":"exec-as-emperor, log-level"`)
	e.await("a.ini", "reloaded")
	w.succeed("restart", "b.ini")
	e.await("b.ini", "hook two")

	// Without the namespace again, the file is what runs: nothing needs a restart.
	file("vassals-include = "+w.path("around.ini"), "exec-as-emperor = echo hook two")
	e.await("", `are in effect","options":"log-level"`)
	if n := e.count("", "need a restart"); n != 1 {
		t.Errorf("a restart was asked for %d times", n)
	}

	// A mistake changes nothing, and vassals reload all the same.
	file("emperor-concurrency = many")
	e.await("", "a mistake in the emperor's options")
	e.await("a.ini", "reloaded")
	if e.count("a.ini", "launching ->") != 1 {
		t.Error("the vassal was started again")
	}
	e.undisturbed("a.ini", pid)

	// Another text of the template, and the same file.
	w.write("around.ini", "[uwsgi]\nenv = AROUND=second\n")
	_ = syscall.Kill(e.cmd.Process.Pid, syscall.SIGHUP)
	e.await("a.ini", "its templates have changed")
	e.await("a.ini", "around second")
	if now := time.Now(); os.Chtimes(w.path("e.ini"), now, now) != nil {
		t.Error("cannot touch the file")
	}
	e.await("", "touched: reloading all vassals")
	e.stop(syscall.SIGTERM)
	if log := e.tail(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}
