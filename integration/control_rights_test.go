//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// user is a user of the host with supplementary groups.
type user struct {
	uid    int
	groups string
}

// asks runs a command of emperor as a user.
func (w *world) asks(u user, args ...string) (out string, code int) {
	w.t.Helper()
	groups := "--clear-groups"
	if u.groups != "" {
		groups = "--groups=" + u.groups
	}
	who := fmt.Sprint(u.uid)
	cmd := w.inside("setpriv", append([]string{"--reuid=" + who, "--regid=" + who, groups, filepath.Join(w.base, "bin", "emperor")}, args...)...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// Members of the groups of the options have their rights, and no other user has any.
func TestRightsOfGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.programs("bin", 0o755)
	w.vassal("a.ini", "command = sh -c 'echo hello; exec sleep 1000000'")
	operator, reader, other := user{4001, "4100"}, user{4002, "4200"}, user{4002, "4300,4301"}
	e := w.start("--control-socket-group", "friends")
	pid := e.running("a.ini")
	if mode := w.run("stat -c %a:%u:%g /run/emperor/control.sock"); mode != "660:0:4100" {
		t.Errorf("the socket is %s", mode)
	}
	if out, code := w.asks(operator, "list"); code != 0 || !strings.Contains(out, "a.ini") {
		t.Errorf("list of an operator: %d %s", code, out)
	}
	if out, code := w.asks(operator, "restart", "--wait", "a"); code != 0 {
		t.Errorf("restart of an operator: %d %s", code, out)
	}
	if e.running("a.ini") == pid {
		t.Error("it was not restarted")
	}
	if out, code := w.asks(other, "list"); code == 0 || !strings.Contains(out, "control-socket-group") || strings.Contains(out, "a.ini") {
		t.Errorf("list of a stranger: %d %s", code, out)
	}
	e.end()

	e = w.start("--control-socket-group", "friends", "--control-socket-read-group", "others")
	pid = e.running("a.ini")
	for _, command := range []string{"list", "status a", "logs a", "events -n 5", "net ls"} {
		out, code := w.asks(reader, strings.Fields(command)...)
		if code != 0 && command != "net ls" || strings.Contains(out, "only root") {
			t.Errorf("%s of a reader: %d %s", command, code, out)
		}
		if out, code := w.asks(other, strings.Fields(command)...); code == 0 || strings.Contains(out, "hello") {
			t.Errorf("%s of a stranger: %d %s", command, code, out)
		}
	}
	for _, command := range []string{"stop a", "restart a", "reload a", "diff a", "reset a", "kill a", "rescan", "reload --all", "reopen-logs"} {
		if out, code := w.asks(reader, strings.Fields(command)...); code == 0 || !strings.Contains(out, "may not do that") {
			t.Errorf("%s of a reader: %d %s", command, code, out)
		}
	}
	e.undisturbed("a.ini", pid)
	if out, code := w.asks(operator, "stop", "--wait", "a"); code != 0 {
		t.Errorf("stop of an operator: %d %s", code, out)
	}
	e.await("", "control: refused")
}

// A tenant operates the own vassals and does not learn the names of others.
func TestRightsOfOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.programs("bin", 0o755)
	ask := "curl -sS --unix-socket /run/emperor/control.sock http://emperor/v1/vassals >" + w.path("s/inside") + " 2>&1"
	w.tenant("own.ini", 4001, "command = sh -c 'echo mine; "+ask+"; exec sleep 1000000'")
	w.tenant("hidden.ini", 4002, "command = sh -c 'echo theirs; exec sleep 1000000'")
	// A tenant's vassal does not see the runtime directory, unless the operator wants it.
	e := w.start(append(w.tyrant(), "--vassal-set", "read-write-paths=/run/emperor")...)
	own, hidden := e.running("own.ini"), e.running("hidden.ini")
	tenant := user{uid: 4001}
	for command, want := range map[string]string{"list": "own.ini", "status own": "mine", "logs own": "mine", "logs": "mine", "events": "own.ini", "diff own": "", "list -q": "own"} {
		if out, code := w.asks(tenant, strings.Fields(command)...); code != 0 || !strings.Contains(out, want) || strings.Contains(out, "hidden") || strings.Contains(out, "theirs") {
			t.Errorf("%s: %d %s", command, code, out)
		}
	}
	for _, verb := range []string{"status", "logs", "events", "diff", "stop", "start", "restart", "reload"} {
		out, code := w.asks(tenant, verb, "hidden")
		none, codeOfNone := w.asks(tenant, verb, "absent")
		if code == 0 || code != codeOfNone || strings.ReplaceAll(out, "hidden", "absent") != none {
			t.Errorf("%s of another: %d %s, of none: %d %s", verb, code, out, codeOfNone, none)
		}
	}
	for _, command := range []string{"kill own", "reset own", "rescan", "reload --all", "reopen-logs", "net ls"} {
		if out, code := w.asks(tenant, strings.Fields(command)...); code == 0 {
			t.Errorf("%s: %s", command, out)
		}
	}
	if out, code := w.asks(tenant, "restart", "--wait", "own"); code != 0 {
		t.Errorf("restart: %d %s", code, out)
	}
	if e.running("own.ini") == own {
		t.Error("it was not restarted")
	}
	for _, command := range []string{"reload --wait own", "stop --wait own", "start --wait own"} {
		if out, code := w.asks(tenant, strings.Fields(command)...); code != 0 {
			t.Errorf("%s: %d %s", command, code, out)
		}
	}
	if out, code := w.asks(user{uid: 4100}, "list", "-q"); code != 0 || strings.TrimSpace(out) != "" {
		t.Errorf("list of a user without vassals: %d %s", code, out)
	}
	// A process of the tenant's vassal is not the tenant.
	eventually(t, "the vassal is refused", func() bool { return strings.Contains(w.shown("inside"), "a process of a vassal is not answered") })
	e.undisturbed("hidden.ini", hidden)
}
