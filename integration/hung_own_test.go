//go:build linux

package integration

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// The emperor's own file, what it includes, and a file of touch-reload delay neither signals nor
// the end when they do not answer. The options take effect when they do.
func TestOwnFileThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("hung"))
	w.write("hung/touch", "")
	w.write("touch", "")
	own := func(more ...string) {
		w.write("e.ini", ini(append([]string{
			"emperor = " + w.vassals, "emperor-log-format = json", "touch-reload = " + w.path("hung/touch"), "touch-reload = " + w.path("touch"),
		}, more...)...))
	}
	touch := func(name string) {
		t.Helper()
		if now := time.Now(); os.Chtimes(w.path(name), now, now) != nil {
			t.Errorf("cannot touch %s", name)
		}
	}
	own()
	w.vassal("a.ini", serves)
	e := w.launch(w.inside(program("emperor"), "--ini", w.path("e.ini")))
	e.running("a.ini")

	release := w.hang(w.path("hung"))
	own("include = " + w.path("hung/more.ini"))
	begun := time.Now()
	touch("touch")
	e.await("", "touched: reloading all vassals")
	e.signal(syscall.SIGUSR1)
	e.await("", `"msg":"status","vassals":1`)
	soon(t, begun, "a touch and a signal")
	release()
	e.await("", "a mistake in the emperor's options") // the file system answers that it is gone

	w.write("hung/more.ini", ini("exec-as-emperor = echo version 2"))
	touch("hung/touch")
	e.await("", "are in effect")

	w.hang(w.path("hung"))
	begun = time.Now()
	e.signal(syscall.SIGHUP)
	e.signal(syscall.SIGUSR1)
	e.await("", `"msg":"status","vassals":1`)
	e.stop(syscall.SIGTERM)
	soon(t, begun, "the end")
}
