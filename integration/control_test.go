//go:build linux

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command runs a command of the emperor program in the world, as an operator does, and returns
// its output and exit code.
func (w *world) command(args ...string) (out string, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	inner := w.inside(program("emperor"), args...)
	cmd := exec.CommandContext(ctx, inner.Path, inner.Args[1:]...)
	cmd.Env, cmd.Dir = inner.Env, inner.Dir
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		w.t.Fatalf("emperor %s does not end; it printed %s", strings.Join(args, " "), text)
	}
	if err != nil && cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// succeed runs a command that must succeed.
func (w *world) succeed(args ...string) string {
	w.t.Helper()
	out, code := w.command(args...)
	if code != 0 {
		w.t.Errorf("emperor %s: exit code %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// listed is a vassal in the output of list --json.
type listed struct {
	Name, State, Error, Address string
	Fallback, Why               string
	PID, Generation, Restarts   int
	Memory                      uint64 `json:"memory_bytes"`
}

func (w *world) list() map[string]listed {
	w.t.Helper()
	var list []listed
	if err := json.Unmarshal([]byte(w.succeed("list", "--json")), &list); err != nil {
		w.t.Fatal(err)
	}
	found := map[string]listed{}
	for _, l := range list {
		found[l.Name] = l
	}
	return found
}

func TestOperatorSeesVassals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("web.ini", "http-socket = 127.0.0.1:8080", "static-map = /=/srv", "uid = 4001", "gid = 4001")
	w.vassal("bad.ini", "exec-as-root = exit 9", serves)
	e := w.start(allNamespaces)
	pid := e.running("web.ini")
	e.await("bad.ini", "-> backoff")
	list := w.list()
	if web := list["web.ini"]; web.State != "running" || web.PID != pid || web.Memory < 1<<20 || web.Generation != 1 {
		t.Errorf("web.ini: %+v", web)
	}
	if bad := list["bad.ini"]; !strings.Contains(bad.Error, "bad.ini:2: hook as-root #1 (exec: exit 9): exit status 9") {
		t.Errorf("bad.ini: %+v", bad)
	}
	table := w.succeed("list")
	if !regexp.MustCompile(`(?m)^NAME +STATE +SINCE +PID +USER +RESTARTS +GEN +MEMORY +CPU +ADDRESS +ERROR OR STATUS$`).MatchString(table) ||
		!regexp.MustCompile(fmt.Sprintf(`(?m)^web\.ini +running +\d+s +%d +(vassal001|4001) +0 +1 +\S+M `, pid)).MatchString(table) {
		t.Errorf("the table:\n%s", table)
	}
	status := w.succeed("status", "bad")
	for _, want := range []string{"exit status 1", "as-root", "file             " + w.vassals + "/bad.ini"} {
		if !strings.Contains(status, want) {
			t.Errorf("status does not say %q:\n%s", want, status)
		}
	}
	if out, code := w.command("status", "wed.ini"); code != 4 || !strings.Contains(out, "did you mean web.ini?") {
		t.Errorf("a wrong name: code %d, %s", code, out)
	}
	for typed, want := range map[string]string{"we": "web.ini", "wbe": "web.ini", "bda.ini": "bad.ini"} {
		if out, code := w.command("stop", typed); code != 4 || !strings.Contains(out, "did you mean "+want+"?") {
			t.Errorf("%s: code %d, %s", typed, code, out)
		}
	}
	for _, command := range []string{"status", "logs", "enter", "restart", "reload", "diff", "list", "wait", "kill -s HUP", "logs bad.ini", "stop bad.ini", "status bad.ini"} {
		if out := w.succeed(append(append([]string{"__complete"}, strings.Fields(command)...), "")...); !strings.Contains(out, "web.ini\trunning") || strings.Contains(command, "bad") && strings.Contains(out, "bad.ini\t") {
			t.Errorf("completion of %s: %s", command, out)
		}
	}
	if out := w.succeed("__complete", "list", "--owner", ""); !strings.HasPrefix(out, "root\t") {
		t.Errorf("completion of owners: %s", out)
	}
	if out := w.succeed("__complete", "attach", "bad.ini", ""); strings.Contains(out, "web.ini") {
		t.Errorf("completion of a second name: %s", out)
	}
	curl := w.run("curl -sS --unix-socket /run/emperor/control.sock http://emperor/v1/vassals/web")
	if !strings.Contains(curl, `"name":"web.ini"`) {
		t.Errorf("curl: %s", curl)
	}
}

func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("b.ini", serves)
	e := w.start(allNamespaces)
	first := e.running("a.ini")
	e.running("b.ini")
	w.succeed("reload", "--wait", "a")
	w.succeed("reload", "--wait", "--all")
	if a := w.list()["a.ini"]; a.PID != first || a.Generation != 1 {
		t.Errorf("after the reloads: %+v", a)
	}
	w.succeed("restart", "--wait", "a")
	if a := w.list()["a.ini"]; a.PID == first || a.Generation != 2 || a.Restarts != 1 {
		t.Errorf("after the restart: %+v", a)
	}
	w.succeed("stop", "--wait", "a")
	w.vassal("a.ini", "exec-as-root = true", serves) // a change does not start it
	e.barrier()
	if a := w.list()["a.ini"]; a.State != "idle" || a.PID != 0 {
		t.Errorf("after the stop: %+v", a)
	}
	if out, code := w.command("reload", "a"); code != 1 || !strings.Contains(out, "a.ini: it does not run: it is idle (stopped by the operator)") {
		t.Errorf("reload of what is stopped: code %d, %s", code, out)
	}
	if out := w.succeed("status", "a"); !strings.Contains(out, ", should be stopped\n") {
		t.Errorf("status of what is stopped: %s", out)
	}
	following := sit(t, w.inside(program("emperor"), "events", "--follow"))
	following.expect("a.ini: operator: stop")
	w.succeed("start", "--wait", "a")
	following.expect("a.ini: operator: start")
	w.succeed("kill", "--signal", "KILL", "b")
	e.await("b.ini", "-> backoff")
	w.succeed("reset", "--wait", "b")
	w.succeed("rescan")
	if out := w.succeed("events", "b"); !strings.Contains(out, "b.ini: running -> clearing generation=1") || !strings.Contains(out, "signal: killed") {
		t.Errorf("events: %s", out)
	}
	w.succeed("stop", "--wait", "a")
	w.vassal("a.ini", "exec-as-root = exit 3", serves)
	e.barrier()
	if out, code := w.command("start", "--wait", "a"); code != 1 || !strings.Contains(out, "a.ini:2: hook as-root #1 (exec: exit 3): exit status 3") {
		t.Errorf("start of what fails: code %d, %s", code, out)
	}
	e.end()
	if code := following.ended(); code != 0 {
		t.Errorf("events --follow after the end: code %d", code)
	}
}

func TestOperatorEntersAVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "hostname = inside", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	out, code := w.command("enter", "a", "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/1/cmdline; ls /proc | grep -c '^[0-9]*$'; exit 7")
	if code != 7 || !strings.Contains(out, namespace(t, pid, "net")) {
		t.Errorf("code %d, %s", code, out)
	}
	if out, code := w.command("enter", "a", "sh", "-c", "kill -9 $$"); code != 128+9 {
		t.Errorf("a killed program: code %d, %s", code, out)
	}
	w.succeed("stop", "--wait", "a")
	if out, code := w.command("enter", "a", "true"); code != 1 || !strings.Contains(out, "has no process") {
		t.Errorf("code %d, %s", code, out)
	}
}

// A vassal in a user namespace is entered as well, by descriptors.
func TestOperatorEntersAUserNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces + ",user=identity")
	pid := e.running("a.ini")
	out, code := w.command("enter", "a", "sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/mnt; pwd; cat /proc/1/comm; exit 7")
	if want := namespace(t, pid, "user") + "\n" + namespace(t, pid, "mnt") + "\n/\nvassal\n"; code != 7 || out != want {
		t.Errorf("code %d, %q, want %q", code, out, want)
	}
}

// Only root and the emperor's user are answered, whatever mode the socket has.
func TestOthersAreNotAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start()
	e.running("a.ini")
	if mode := w.run("stat -c %a:%u /run/emperor/control.sock"); strings.TrimSpace(mode) != "600:0" {
		t.Errorf("the socket is %s", mode)
	}
	w.run("chmod 666 /run/emperor/control.sock")
	out := w.run("setpriv --reuid 4001 --regid 4001 --clear-groups curl -sS --unix-socket /run/emperor/control.sock http://emperor/v1/vassals")
	if !strings.Contains(out, "only root and the emperor's own user") || strings.Contains(out, "a.ini") {
		t.Errorf("a stranger gets %s", out)
	}
	e.await("", "control: refused")
}

func TestTwoEmperorsOnOneMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	other := w.path("v2")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("v2/b.ini", ini(serves))
	first := w.start()
	first.running("a.ini")
	second := w.startOver(other)
	second.await("", "another emperor has it")
	second.running("b.ini")
	third := w.path("v3")
	if err := os.Mkdir(third, 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("v3/c.ini", ini(serves))
	e := w.startOver("--runtime-dir", w.path("run"), third)
	e.running("c.ini")
	if out := w.succeed("list", "--runtime-dir", w.path("run")); !strings.Contains(out, "c.ini") {
		t.Errorf("list: %s", out)
	}
	second.end()
	if out := w.succeed("list"); !strings.Contains(out, "a.ini") {
		t.Errorf("after the end of the second, the first says %s", out)
	}
}

// An emperor that was killed leaves its socket; the next one replaces it.
func TestSocketOfADeadEmperorIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start()
	e.running("a.ini")
	e.signal(syscall.SIGKILL)
	e.wait()
	if out, code := w.command("list"); code != 3 || !strings.Contains(out, "it has died") {
		t.Errorf("code %d, %s", code, out)
	}
	w.start().running("a.ini")
	w.succeed("list")
}

// An emperor that may not write to /run works without a control socket.
func TestEmperorWithoutRightsForItsRuntimeDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start("--runtime-dir", "/proc/none")
	e.await("", "no control socket")
	e.running("a.ini")
}

// Clients cannot slow down the emperor: hundreds connect, ask and do not read, while vassals
// start as usual.
func TestClientsCannotHoldUpTheEmperor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = sh -c 'while :; do echo a line of a vassal that talks without end; done'")
	e := w.start("--log-level", "error")
	eventually(t, "it runs", func() bool { out, _ := w.command("list"); return strings.Contains(out, "running") })
	flood := w.inside("sh", "-c", `for i in $(seq 200); do sleep 20 | curl -sN --max-time 15 --limit-rate 1 --unix-socket /run/emperor/control.sock "http://e/v1/vassals/a/logs?follow" >/dev/null & done; wait`)
	flood.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-flood.Process.Pid, syscall.SIGKILL); _ = flood.Wait() }()
	time.Sleep(time.Second)
	w.vassal("b.ini", "exec-as-root = touch "+w.path("s/there"), serves)
	begin := time.Now()
	eventually(t, "b.ini has started", func() bool { _, err := os.Stat(w.path("s/there")); return err == nil })
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("a vassal takes %v to start", took)
	}
	e.remove("a.ini")
}
