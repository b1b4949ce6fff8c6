//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// Programs that only root can see, as in a clone below /root, serve vassals that
// are not root.
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

// programs puts copies of the programs into a new directory of the world, which
// is of that mode wherever the originals are.
func (w *world) programs(name string, mode os.FileMode) string {
	w.t.Helper()
	dir := w.path(name)
	if err := os.Mkdir(dir, mode); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range []string{"emperor", "vassal", "vassal-server", "vassal-parse"} {
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
