//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// Relative paths of sockets have the same meaning in every option, and keep it when a vassal
// changes its directory.
func TestRelativeAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dir("www", "index.html")
	w.run("mkdir " + w.path("app"))
	w.write("e.ini", "[uwsgi]\nemperor = "+w.vassals+"\nemperor-stats = stats.sock\nmetrics = metrics.sock\nemperor-command-socket = commands.sock\n"+
		"emperor-on-demand-extension = .at\n")
	w.vassal("lazy.ini", onDemandVassal(w)...)
	w.write("v/lazy.ini.at", "lazy.sock\n")
	w.vassal("db.ini", "http-socket = db.sock", "static-map = /="+w.path("www"))
	w.vassal("shop.ini", "wait-for-socket = db.sock", "hook-as-user = wait_for_socket:db.sock", "hook-as-user = print:both are there", "chdir = "+w.path("app"),
		"http-socket = shop.sock", "static-map = /="+w.path("www"))
	e := w.launch(w.at(w.base, program("emperor"), "--emperor-log-format", "json", "--ini", "e.ini"))
	e.await("shop.ini", "both are there")
	e.running("shop.ini")
	if got := w.run("curl -s --unix-socket " + w.path("metrics.sock") + " http://e/metrics | grep -c ^emperor_"); got == "0" {
		t.Error("no metrics at a relative path")
	}
	c, err := netDial("unix", w.path("stats.sock"))
	if err != nil {
		t.Fatalf("no statistics at a relative path: %v", err)
	}
	c.Close()
	if got := visit(t, w.path("app/shop.sock"), "/index.html"); got != "a page" {
		t.Errorf("the shop answers %q", got)
	}
	e.await("lazy.ini", "-> waiting")
	if got := visit(t, w.vassals+"/lazy.sock", "/index.html"); got != "a page" { // as in uWSGI
		t.Errorf("the one on demand answers %q", got)
	}
	e.stop(syscall.SIGTERM)
	for _, name := range []string{"stats.sock", "metrics.sock", "commands.sock"} {
		if _, err := os.Lstat(w.path(name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
}

// A vassal by hand finds its file again from another directory, and the hooks of the end of
// the old configuration run in its directory.
func TestReloadFromAnotherDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("one") + " " + w.path("two"))
	put := func(dir string) {
		w.write("a.ini", ini("chdir = "+dir, "env = WORD="+dir, "include = more.ini", serves, "touch-reload = "+w.path("touch"),
			"hook-as-user-atexit = exec:echo left $WORD in `pwd` >>"+w.path("out"), "hook-as-user-atexit = cd:/", "hook-as-user-atexit = exec:pwd >>"+w.path("out"),
			"hook-accepting1 = exec:echo here in `pwd` >>"+w.path("out")))
	}
	w.write("more.ini", ini("x = 1"))
	w.write("touch", "")
	put("one")
	cmd := w.at(w.base, program("vassal"), "--ini", "a.ini")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	log := &strings.Builder{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := func() string { return strings.ReplaceAll(strings.Join(lines(w.path("out")), ","), w.base, "BASE") }
	want := "here in BASE/one"
	eventually(t, want, func() bool { return said() == want })
	put("two")
	w.run("touch " + w.path("touch"))
	want += ",left one in BASE/one,/,here in BASE/two"
	eventually(t, want+" and not "+said()+log.String(), func() bool { return said() == want })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if want += ",left two in BASE/two,/"; said() != want {
		t.Errorf("%q, want %q", said(), want)
	}
}
