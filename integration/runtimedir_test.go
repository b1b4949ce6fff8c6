//go:build linux

package integration

import (
	"os"
	"strings"
	"testing"
)

// An emperor of a unit with RuntimeDirectory= has its sockets there, and an emperor of a user
// in the user's runtime directory, where commands look as well.
func TestRuntimeDirectoryOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, variable := range map[string]string{"a unit": "RUNTIME_DIRECTORY=BASE/one:BASE/two", "a user": "XDG_RUNTIME_DIR=BASE"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", serves)
			for _, dir := range []string{"one", "emperor"} {
				if err := os.Mkdir(w.path(dir), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(w.path(dir), 4001, 4001); err != nil {
					t.Fatal(err)
				}
			}
			cmd := w.asUser(w.vassals)
			cmd.Env = append(cmd.Env, strings.ReplaceAll(variable, "BASE", w.base))
			e := w.launch(cmd)
			e.running("a.ini")
			args := []string{"--reuid=4001", "--regid=4001", "--clear-groups", "env", "XDG_RUNTIME_DIR=" + w.base}
			if name == "a unit" {
				args[len(args)-1] = "EMPEROR_RUNTIME_DIR=" + w.path("one")
			}
			if out := output(t, w.inside("setpriv", append(args, w.path("bin/emperor"), "list")...)); !strings.Contains(out, "running") {
				t.Errorf("list prints %s", out)
			}
			e.stop(15)
		})
	}
}
