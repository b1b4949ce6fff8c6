package integration

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/emperor-go/emperor/internal/control"
)

// After an edit that fails, diff prints the options that are not in effect and reload --dry-run
// the way in which they would be taken over. A mistake is reported, and nothing is reloaded.
func TestDiff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves, "env = A=1", "include = "+w.path("more.ini"))
	w.write("more.ini", "[uwsgi]\n")
	e := w.start()
	e.running("a.ini")
	answers := func(command, want string, wantCode int) {
		t.Helper()
		if out, code := w.command(strings.Fields(command)...); code != wantCode || out != want {
			t.Errorf("emperor %s: exit code %d\n%swant\n%s", command, code, out, want)
		}
	}
	partial := "  other files that it reads are not compared\n"
	answers("diff a", "a.ini: runs with the options of its file\n"+partial, 0)

	w.vassal("a.ini", "command = false", "env = A=2", "include = "+w.path("more.ini"))
	e.running("a.ini")
	answers("diff a", "a.ini: a reload changes command, env in the running process\n- command = sleep 1000000\n+ command = false\n- env = A=1\n+ env = A=2\n"+partial, 0)
	answers("reload --dry-run a", "a.ini: would change command, env in the running process\n", 0)

	w.vassal("a.ini", "uid = 0day")
	e.await("a.ini", "0day")
	for _, command := range []string{"diff a", "reload --dry-run a", "diff --json a*"} {
		if out, code := w.command(strings.Fields(command)...); code != 1 || !strings.Contains(out, "a.ini:2: uid: ") {
			t.Errorf("emperor %s of a file with a mistake: exit code %d, %s", command, code, out)
		}
	}
	w.vassal("a.ini", serves, "uid = 4001", "gid = 4001")
	e.running("a.ini")
	var list []control.Changes
	if err := json.Unmarshal([]byte(w.succeed("diff", "--json", "a")), &list); err != nil || len(list) != 1 || list[0].Effect != control.EffectNone || !list[0].Running {
		t.Errorf("%v %+v", err, list)
	}
	w.vassal("a.ini", "command = false", "uid = 4002", "gid = 4001")
	e.await("a.ini", "-> reverting")
	e.running("a.ini")
	answers("reload --dry-run --all", "a.ini: would change command, uid by a new process, because of uid\n", 0)

	w.vassal("never.ini", "uid = 0day") // it has no configuration that could be compared
	e.await("never.ini", "0day")
	for _, command := range []string{"diff never", "reload --dry-run never"} {
		if out, code := w.command(strings.Fields(command)...); code != 1 || !strings.Contains(out, "never.ini:2: uid: ") {
			t.Errorf("emperor %s of a file that was never right: exit code %d, %s", command, code, out)
		}
	}
	e.stop(syscall.SIGTERM)
}
