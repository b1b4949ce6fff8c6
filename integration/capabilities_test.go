//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// capabilities returns the sets of capabilities in a status.
func capabilities(text string) string {
	var sets []string
	for _, set := range []string{"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"} {
		sets = append(sets, strings.TrimLeft(line(text, set), "0")+".")
	}
	return strings.Join(sets, " ")
}

// Each process of a vassal has the capabilities that its file keeps, and none can get others.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options []string
		want    string
	}{
		"user": {[]string{"uid = 4001", "gid = 4001", "cap = net_bind_service"}, "400. 400. 400. 400. 400."},
		"none": {[]string{"uid = 4001", "gid = 4001", "cap = none", "no-new-privileges = true"}, ". . . . ."},
		"root": {[]string{"uid = root", "cap = chown,CAP_NET_BIND_SERVICE"}, "401. 401. 401. 401. 401."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.eachProcess(test.options, func(who, text string) {
				if got := capabilities(text); got != test.want {
					t.Errorf("%s has %s, want %s", who, got, test.want)
				}
			})
		})
	}
}

// A program without root binds a low port, a program with a set-user-id bit gets no other
// capability, and an order to fall back keeps them.
func TestCapabilityToBind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	serve := "python3 -m http.server 80 --bind 127.0.0.1"
	w.vassal("with.ini", "exec-as-root = ip link set lo up", "uid = 4001", "gid = 4001", "cap = net_bind_service", "no-new-privileges = true", "command = "+serve, "ready-probe = tcp:127.0.0.1:80")
	w.vassal("patch.ini", "exec-as-root = ip link set lo up", "uid = 4001", "gid = 4001", "cap = net_bind_service", "unprivileged-binary-patch-arg = "+serve, "ready-probe = tcp:127.0.0.1:80")
	w.vassal("without.ini", "uid = 4001", "gid = 4001", "command = "+serve)
	w.vassal("again.ini", "exec-as-root = ip link set lo up", "uid = 4001", "gid = 4001", "cap = net_bind_service", "exec-as-user = false", serves, "fallback-config = "+w.path("s/fallback.ini"))
	w.write("s/fallback.ini", ini("uid = 4001", "gid = 4001", "cap = net_bind_service", "command = "+serve, "ready-probe = tcp:127.0.0.1:80"))
	e := w.start(allNamespaces)
	for _, name := range []string{"with.ini", "patch.ini", "again.ini"} {
		e.running(name)
	}
	e.await("without.ini", "Permission denied")
}

// Another emperor-cap takes effect for running vassals by a new process of each: a process cannot get back
// what it has given up, and keeps what it has not.
func TestEmperorCapChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := func(more ...string) {
		w.write("e.ini", ini(append([]string{"emperor = " + w.vassals, "emperor-log-format = json"}, more...)...))
	}
	w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
	file()
	e := w.launch(w.inside(program("emperor"), "--ini", w.path("e.ini")))
	pid := e.running("a.ini")
	for _, caps := range []string{"net_bind_service", "none"} {
		file("emperor-cap = " + caps)
		_ = syscall.Kill(e.cmd.Process.Pid, syscall.SIGHUP)
		e.await("a.ini", "emperor-cap has changed")
		pid = e.running("a.ini")
		want := map[string]string{"net_bind_service": "400", "none": ""}[caps]
		if got := strings.TrimLeft(line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "CapBnd:"), "0"); got != want {
			t.Errorf("with emperor-cap = %s its bounding set is %q", caps, got)
		}
	}
	_ = syscall.Kill(e.cmd.Process.Pid, syscall.SIGHUP)
	e.await("a.ini", "reloaded")
	if !alive(pid) || e.count("a.ini", "launching ->") != 3 {
		t.Errorf("a reload without a change disturbed it:\n%s", e.about("a.ini"))
	}
}

// The emperor limits the capabilities of all vassals from their as-vassal hooks on, also of programs that
// replace them, and names the line that asks for more. Without hooks of the operator the bounding set is reduced before the
// vassal program, and nothing else differs.
func TestEmperorCap(t *testing.T) {
	t.Parallel()
	for _, operators := range []bool{true, false} {
		t.Run(fmt.Sprintf("hooks=%v", operators), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			show := func(who string) string {
				return fmt.Sprintf("n=%[1]s.$(stat -Lc %%i /proc/self/ns/pid); cat /proc/self/status >$n; mv $n %[1]s", w.path("s/"+who))
			}
			w.vassal("a.ini", "exec-as-root = "+show("as-root"), "uid = 4001", "gid = 4001", "cap = net_bind_service", "exec-as-user = "+show("as-user"), serves)
			w.vassal("b.ini", "uid = 4001", "gid = 4001", "exec-as-user = "+show("plain"), serves)
			w.vassal("c.ini", "uid = 4001", "gid = 4001", "cap = sys_admin", serves)
			args, sets := []string{allNamespaces, "--emperor-cap", "net_bind_service,chown"}, map[string]string{
				"as-root": ". 401. 401. 401. .", "as-user": "400. 400. 400. 400. 400.", "plain": ". . . 401. .",
			}
			if operators {
				args = append(args, "--exec-as-vassal-before-drop", show("before"), "--exec-as-vassal", show("as-vassal"))
				sets["as-vassal"] = ". 401. 401. 401. ."
			}
			e := w.start(args...)
			e.await("c.ini", `is not among emperor-cap`)
			for _, name := range []string{"a.ini", "b.ini"} {
				e.running(name)
			}
			for who, want := range sets {
				if got := capabilities(w.shown(who)); got != want {
					t.Errorf("%s has %s, want %s", who, got, want)
				}
			}
			if operators {
				if got := capabilities(w.shown("before")); strings.Contains(got, " 401.") {
					t.Errorf("a hook of before has %s already", got)
				}
			}
		})
	}
}

// A vassal has its bounding set from its first moment, unless a hook of its own runs as root: such a hook could run programs of
// other users, which would inherit capabilities then.
func TestBoundingSetAhead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options []string
		ahead   bool
	}{
		"no hook":      {nil, true},
		"a later hook": {[]string{"exec-as-user = true"}, true},
		"a root hook":  {[]string{"exec-as-root = true"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			all := strings.TrimLeft(line(w.run("cat /proc/self/status"), "CapBnd:"), "0") + "."
			w.vassal("a.ini", append(test.options, "uid = 4001", "gid = 4001", "cap = net_bind_service", "wait-for-file = "+w.path("s/go"), serves)...)
			e := w.start(allNamespaces)
			pid := e.await("a.ini", "-> starting").PID
			e.waitsFor("a.ini", "wait-for-file "+w.path("s/go"))
			want := ". " + all + " " + all + " " + all + " ."
			if test.ahead {
				want = all + " " + all + " " + all + " 400. ."
			}
			if got := capabilities(w.run(fmt.Sprintf("cat /proc/%d/status", pid))); got != want {
				t.Errorf("before its drop it has %s, want %s", got, want)
			}
			w.write("s/go", "")
			e.running("a.ini")
			if got := capabilities(w.run(fmt.Sprintf("cat /proc/%d/status", pid))); got != "400. 400. 400. 400. 400." {
				t.Errorf("after its drop it has %s", got)
			}
		})
	}
}
