//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Programs that only root can see, as in a clone below /root, run for vassals that are not
// root.
func TestProgramsOnlyRootCanSee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("www"), 0o755); err != nil {
		t.Fatal(err)
	}
	private := w.programs("private", 0o700)
	w.write("www/index.html", "seen")
	socket := w.path("s/http")
	w.vassal("files.ini", "uid = 4001", "gid = 4001", "http-socket = "+socket, "static-map = /="+w.path("www"))
	w.vassal("command.ini", "uid = 4001", "gid = 4001", "command = sh -c 'echo I am $$; exec sleep 1000000'")
	e := w.launch(w.inside(filepath.Join(private, "emperor"), "--emperor-log-format", "json", allNamespaces, w.vassals))
	e.running("files.ini")
	e.running("command.ini")
	e.await("command.ini", "I am ")
	if got := get(t, socket, "GET", "/", nil); got.status != 200 || got.body != "seen" {
		t.Errorf("answered %d %q", got.status, got.body)
	}
}

// programs puts copies of the programs into a new directory of the world, which has that mode
// wherever the originals are.
func (w *world) programs(name string, mode os.FileMode) string {
	w.t.Helper()
	dir := w.path(name)
	if err := os.Mkdir(dir, mode); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range []string{"emperor", "vassal", "vassal-server", "vassal-helper"} {
		text, err := os.ReadFile(program(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o755)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

// A vassals directory below one that only root may enter, as in a clone below /root, and one
// that only root may enter itself: the programs of a vassal inherit the directory, as under
// uWSGI, and a directory of its own that a vassal cannot enter is reported.
func TestDirectoriesOnlyRootCanEnter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	private := w.path("private")
	vassals := filepath.Join(private, "v")
	for _, dir := range []string{private, vassals} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	socket := w.path("s/http")
	w.write("page", "seen")
	user := []string{"uid = 4001", "gid = 4001"}
	w.write("private/v/files.ini", ini(append(user, "http-socket = "+socket, "static-map = /page="+w.path("page"))...))
	w.write("private/v/command.ini", ini(append(user, "command = sh -c 'echo I am in $PWD; exec sleep 1000000'", "attach-daemon = sh -c 'echo beside; exec sleep 1000000'")...))
	w.write("private/v/astray.ini", ini(append(user, "chdir = "+private, "command = sleep 1000000")...))
	w.write("private/v/daemon.ini", ini(append(user, "attach-daemon2 = cmd=sleep 1000000,chdir="+private, "command = sleep 1000000")...))
	e := w.launch(w.inside(program("emperor"), "--emperor-log-format", "json", allNamespaces, vassals))
	e.running("files.ini")
	e.await("command.ini", "I am in "+vassals)
	e.await("command.ini", "beside")
	e.await("astray.ini", `cannot enter working directory \"`+private+`\" as uid 4001: permission denied (chdir = /)`)
	e.await("daemon.ini", "as uid 4001: permission denied (chdir = /)")
	if got := get(t, socket, "GET", "/page", nil); got.status != 200 || got.body != "seen" {
		t.Errorf("answered %d %q", got.status, got.body)
	}
	w.write("private/v/command.ini", ini(append(user, "command = sh -c 'echo now in $PWD; exec sleep 1000000'")...))
	e.await("command.ini", "now in "+vassals)
	if out, _ := w.command("check", vassals); !strings.Contains(out, "astray.ini:4: warning: chdir: uid 4001 cannot enter") {
		t.Errorf("check says %s", out)
	}
}
