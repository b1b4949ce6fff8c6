//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// Each mistake of a file has its own log record. The cause comes first, without its consequences,
// and the list shows it.
func TestMistakesAreToldCauseFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "comand = sleep 1000000", "processes = many")
	w.write("v/b.ini", "command = sleep 1000000\n")
	e := w.start()
	if r := e.await("a.ini", "cannot use its configuration"); !strings.HasSuffix(r.Error, "a.ini:2: comand: an unknown key, and there is nothing to serve (did you mean command?)") {
		t.Errorf("the first mistake is %q", r.Error)
	}
	if r := e.await("a.ini", "another mistake"); !strings.HasSuffix(r.Error, `a.ini:3: processes: "many" is not a number of workers (1 to 1024)`) {
		t.Errorf("the second mistake is %q", r.Error)
	}
	if r := e.await("b.ini", "cannot use its configuration"); !strings.Contains(r.Error, "there is no section header above") {
		t.Errorf("the mistake is %q", r.Error)
	}
	if n := e.count("b.ini", "nothing to serve"); n > 0 {
		t.Error("the consequence is told too")
	}
	if a := w.list()["a.ini"]; !strings.Contains(a.Error, "a.ini:2: comand: ") {
		t.Errorf("the list says %q", a.Error)
	}
	if out := w.succeed("list"); !strings.Contains(out, "a.ini:2: comand: an unknown key, and there is nothing to serve (did you mean command?) (and 1 more)") {
		t.Errorf("the list is\n%s", out)
	}
}

// The log reports an error of a worker that never started once, with its line, and does not
// repeat it as the reason of the stop.
func TestFailedServersAreToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "http-socket = 127.0.0.1:0", "static-map = /=/nowhere/at/all")
	e := w.start()
	e.await("a.ini", "-> backoff")
	first, _, _ := strings.Cut(e.about("a.ini"), "-> backoff")
	if n := strings.Count(first, "/nowhere/at/all"); n != 1 {
		t.Errorf("told %d times:\n%s", n, first)
	}
	if a := w.list()["a.ini"]; !strings.Contains(a.Error, "static-map: cannot use static directory") || !strings.Contains(a.Error, "/a.ini:") {
		t.Errorf("the list says %q", a.Error)
	}
}

// At a start and at a reload the emperor names the vassal that holds an address which another
// vassal cannot bind. In separate network namespaces both can bind it.
func TestHolderOfAnAddressIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const serving = "route = ^/ return:204"
	w.vassal("b.ini", "http-socket = 127.0.0.1:9201", serving)
	w.vassal("c.ini", "http-socket = 127.0.0.1:9202", serving)
	e := w.start()
	e.running("b.ini")
	e.running("c.ini")
	w.vassal("a.ini", "http-socket = :9201", serving)
	if r := e.await("a.ini", "another vassal has its address"); !strings.Contains(r.raw, `"holder":"b.ini"`) {
		t.Errorf("the log says %s", r.raw)
	}
	e.await("a.ini", "-> backoff")
	const want = `(vassal "b.ini" has it)`
	for _, out := range []string{w.succeed("list"), w.succeed("status", "a.ini")} {
		if !strings.Contains(out, want) || strings.Contains(out, "c.ini has it") {
			t.Errorf("it is not named:\n%s", out)
		}
	}
	w.vassal("c.ini", "http-socket = 127.0.0.1:9202", "http-socket = 127.0.0.1:9201", serving)
	if r := e.await("c.ini", "cannot reload; the vassal continues"); !strings.HasSuffix(r.Error, want) {
		t.Errorf("the log says %s", r.raw)
	}
}

// Output of a failed hook is a warning. The log reports the failure once, and the list has the
// last line of the output.
func TestFailedHooksAreToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = echo before; echo no such device >&2; exit 2", serves)
	w.vassal("b.ini", "exec-as-root = echo fine", serves)
	e := w.start(allNamespaces)
	e.await("a.ini", "-> backoff")
	e.running("b.ini")
	if r := e.await("b.ini", "fine"); r.Level != "INFO" || !strings.Contains(r.raw, `"msg":"fine","vassal":"b.ini","hook":"as-root","index":1`) {
		t.Errorf("of a successful hook: %s", r.raw)
	}
	text := e.about("a.ini")
	first, _, _ := strings.Cut(text, "-> backoff")
	if n := strings.Count(first, `"level":"WARN","msg":"no such device",`); n != 1 || !strings.Contains(first, `"level":"WARN","msg":"before",`) {
		t.Errorf("of the failed hook:\n%s", first)
	}
	if n := strings.Count(first, "exit 2): exit status 2: no such device"); n != 1 || strings.Contains(first, "hook failed") {
		t.Errorf("the failure is told otherwise than once:\n%s", first)
	}
	want := "a.ini:2: hook as-root #1 (exec: echo before; echo no such device >&2; exit 2): exit status 2: no such device"
	if a := w.list()["a.ini"]; !strings.HasSuffix(a.Error, want) || strings.Contains(a.Error, "last words") {
		t.Errorf("the list says %q", a.Error)
	}
	if text := w.succeed("events", "a"); !strings.Contains(text, want) {
		t.Errorf("the events are\n%s", text)
	}
	if text := w.succeed("status", "a"); !strings.Contains(text, "\nerror            ") || !strings.Contains(text, "\nbecause          ") {
		t.Errorf("the status is\n%s", text)
	}
}

// The list quotes the last line of the program, whatever the way of its death, and never a line
// of the vassal itself.
func TestListQuotesThePrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("died.ini", "privileged-binary-patch-arg = sh -c 'echo hello; echo ImportError: nope >&2; exit 5'")
	w.vassal("worker.ini", "command = sh -c 'echo hello; echo \"<3>Traceback: boom\" >&2; exit 3'")
	w.vassal("silent.ini", "exec-as-root = echo made a link", "ready-probe = tcp:127.0.0.1:7799", "ready-timeout = 1", serves)
	w.write("v/again.ini", ini("privileged-binary-patch-arg = sh -c 'test -e "+w.path("well")+" || { echo no database; exit 1; }; exec sleep 1000000'"))
	e := w.start(allNamespaces)
	says := func(name, want string) {
		t.Helper()
		var a listed
		eventually(t, name+": "+want, func() bool {
			a = w.list()[name]
			return strings.Contains(a.Error, want)
		})
		if strings.Contains(a.Error, "worker started") || strings.Contains(a.Error, "hook=") {
			t.Errorf("%s quotes a line of ours: %q", name, a.Error)
		}
	}
	e.await("died.ini", "-> backoff")
	says("died.ini", "exit status 5, its last words: ImportError: nope")
	says("worker.ini", "the last: exit status 3, its last words: Traceback: boom")
	e.await("silent.ini", "-> backoff")
	says("silent.ini", "was not ready within 1s")
	says("again.ini", "exit status 1, its last words: no database")
	w.write("well", "")
	eventually(t, "again.ini runs, and its past is not told", func() bool {
		a := w.list()["again.ini"]
		return a.State == "running" && a.Error == ""
	})
}

// While a vassal waits for an object that a hook of the emperor creates, the list names the hook.
func TestListNamesTheHookOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "wait-for-interface = eth0", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", "echo no such bridge >&2; exit 3")
	e.await("a.ini", "launching -> starting")
	eventually(t, "the list names the hook", func() bool {
		return strings.Contains(w.succeed("list"), "waits for interface eth0; before: hook as-emperor #1 (exec: echo no such bridge >&2; exit 3): exit status 3: no such bridge")
	})
}

// An earlier rejection of a reload does not hide the death of a worker. An edit whose worker dies
// is reported with the worker's last line.
func TestRefusedReloadHidesNoDeath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("b.ini", "reload-order = start-first", "ready-probe = exec:test -e "+w.path("ready"), "command = sh -c 'exec sleep 1000000'")
	w.write("ready", "")
	e := w.start(allNamespaces)
	pid := e.running("b.ini")
	if err := os.Remove(w.path("ready")); err != nil {
		t.Fatal(err)
	}
	w.vassal("b.ini", "reload-order = start-first", "ready-probe = exec:test -e "+w.path("ready"), "command = sh -c 'echo SyntaxError: line 3 >&2; exit 4'")
	e.await("b.ini", "cannot reload")
	eventually(t, "the list has the last line of the new worker", func() bool {
		b := w.list()["b.ini"]
		return strings.HasPrefix(b.Error, "cannot reload: ") && strings.Contains(b.Error, "exit status 4, its last words: SyntaxError: line 3")
	})
	for _, worker := range children(pid) {
		_ = syscall.Kill(worker, syscall.SIGKILL)
	}
	eventually(t, "the death is told first", func() bool {
		b := w.list()["b.ini"]
		return strings.HasPrefix(b.Error, "its workers die, ") && strings.Contains(b.Error, "\ncannot reload: ")
	})
}

// The exit of a stopped program is the exit of its vassal in all outputs.
func TestEndOfStoppedProgramIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("deaf.ini", "reload-mercy = 1", `command = sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'`)
	w.vassal("sulky.ini", `command = sh -c 'trap "exit 7" TERM; echo up; while :; do sleep 0.1; done'`)
	w.vassal("fine.ini", "command = sh -c 'echo up; exec sleep 1000000'")
	e := w.start(allNamespaces, "--metrics", "127.0.0.1:7015",
		"--exec-as-emperor-after-vassal", `echo after cause=$UWSGI_VASSAL_EXIT_CAUSE code=$UWSGI_VASSAL_EXIT_CODE signal=$UWSGI_VASSAL_EXIT_SIGNAL.`)
	for name, want := range map[string]struct{ exit, after string }{
		"deaf.ini":  {"signal: killed (its program did not stop within reload-mercy)", "after cause=stopped code= signal=9."},
		"sulky.ini": {"exit status 7", "after cause=stopped code=7 signal=."},
		"fine.ini":  {"exit status 0", "after cause=stopped code=0 signal=."},
	} {
		e.await(name, `"up"`)
		w.succeed("stop", "--wait", name)
		if s := w.everything(name); len(s.Exits) != 1 || s.Exits[0].Text != want.exit || s.Exit != want.exit {
			t.Errorf("%s: the exits are %+v, the last %q", name, s.Exits, s.Exit)
		}
		if text := w.succeed("events", name); !strings.Contains(text, want.exit) {
			t.Errorf("%s: the events are\n%s", name, text)
		}
		e.await(name, want.after)
	}
	if text := w.run("curl -sS --max-time 10 http://127.0.0.1:7015/metrics"); !strings.Contains(text, "\nemperor_vassal_exits_total{cause=\"killed\"} 1\n") {
		t.Error("the metrics do not count the one that was killed")
	}
}

// The emperor reports a program that goes into the background, with a remedy. Its processes end
// with the vassal, also without a pid namespace and without a cgroup.
func TestProgramInTheBackgroundIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = sh -c 'setsid sleep 876543 & sleep 0.3; exit 0'")
	w.vassal("patch.ini", "unprivileged-binary-patch-arg = sh -c 'setsid sleep 876544 & exit 0'")
	e := w.start()
	e.running("a.ini")
	eventually(t, "the list names the remedy", func() bool {
		a := w.list()["a.ini"]
		return strings.Contains(a.Error, "went into the background (sleep, process ") && strings.Contains(a.Error, "it must stay in the foreground")
	})
	eventually(t, "so for a program that took the place of the vassal", func() bool {
		return strings.Contains(w.list()["patch.ini"].Error, "exit status 0, or its program went into the background: it must stay in the foreground")
	})
	w.succeed("stop", "--wait", "patch")
	eventually(t, "it is told of each of them", func() bool { return e.count("a.ini", "went into the background") > 2 })
	w.succeed("stop", "--wait", "a")
	if left := w.run("pgrep -f '^sleep 87654[34]' || true"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// nginx in the background keeps its port. The next nginx could not bind it, and the list would
// show the wrong reason.
func TestServerInTheBackgroundIsTold(t *testing.T) {
	t.Parallel()
	needs(t, "nginx")
	for _, clone := range []string{sharesNetwork, "--emperor-use-clone=uts"} {
		w := newWorld(t)
		w.write("nginx.conf", "pid "+w.path("s/pid")+"; error_log /dev/stderr; events {} http { access_log off; client_body_temp_path "+w.path("s/t")+"; proxy_temp_path "+w.path("s/t")+
			"; fastcgi_temp_path "+w.path("s/t")+"; uwsgi_temp_path "+w.path("s/t")+"; scgi_temp_path "+w.path("s/t")+"; server { listen 127.0.0.1:8099; } }")
		w.vassal("a.ini", "uid = 4001", "gid = 4001", "command = nginx -e /dev/stderr -c "+w.path("nginx.conf"))
		e := w.start(clone)
		eventually(t, "it has died several times", func() bool { return e.count("a.ini", "the worker died") > 3 })
		if n := e.count("a.ini", "went into the background (nginx, process "); n < 4 || e.count("a.ini", "Address already in use") > 0 {
			t.Errorf("told %d times:\n%s", n, e.about("a.ini"))
		}
		if a := w.list()["a.ini"]; !strings.Contains(a.Error, "went into the background (nginx, process ") {
			t.Errorf("the list says %q", a.Error)
		}
		w.succeed("stop", "--wait", "a")
		w.run("! ss -ltn | grep -q :8099")
		e.stop(syscall.SIGTERM)
	}
}

// The status that a program has reported disappears when the program dies.
func TestStatusOfADeadProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", `privileged-binary-patch-arg = sh -c 'systemd-notify "STATUS=all is well"; exec sleep 1000000'`)
	e := w.start(allNamespaces)
	e.running("a.ini")
	eventually(t, "the status is told", func() bool { return strings.Contains(w.succeed("list"), "all is well") })
	w.succeed("stop", "--wait", "a")
	if text := w.succeed("status", "a"); strings.Contains(text, "\nreported status ") {
		t.Errorf("the status of a dead program:\n%s", text)
	}
}

// The log reports the reason of a fallback once, and a pause before the next launch in the line
// of the state.
func TestFallbacksAndPausesAreToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("safe.ini", ini(serves))
	w.vassal("a.ini", "fallback-config = "+w.path("safe.ini"), "exec-as-user = exit 9", serves)
	w.vassal("b.ini", "exec-as-user = exit 8", serves)
	e := w.start(allNamespaces)
	e.await("a.ini", "runs on its fallback configuration")
	e.running("a.ini")
	if n := e.count("a.ini", "exit status 9"); n != 1 {
		t.Errorf("the reason is told %d times:\n%s", n, e.about("a.ini"))
	}
	if a := w.list()["a.ini"]; !strings.Contains(a.Fallback, "exit status 9") {
		t.Errorf("the list says %+v", a)
	}
	if r := e.await("b.ini", "-> backoff"); !strings.Contains(r.raw, `"failures":1`) || !strings.Contains(r.raw, `"wait":`) {
		t.Errorf("of the pause: %s", r.raw)
	}
	if n := e.count("b.ini", "waiting before"); n > 0 {
		t.Error("the pause is told twice")
	}
}
