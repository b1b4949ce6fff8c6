//go:build linux

package integration

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// said runs a program on a configuration until it has written the file, and returns the
// distinct lines of the file: uWSGI runs as-user hooks several times as root.
func (w *world) said(t *testing.T, file string, name string, args ...string) []string {
	t.Helper()
	_ = os.Remove(file)
	cmd := w.at(w.base, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	log := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text []string
	eventually(t, name+" has run its hooks", func() bool {
		text = lines(file)
		return slices.Contains(text, "end")
	})
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
	if t.Failed() {
		t.Log(log)
	}
	var once []string
	for _, line := range text {
		if !slices.Contains(once, line) {
			once = append(once, line)
		}
	}
	return once
}

// TestDeclaredOptionsAsInUwsgi: declare-option works as in uWSGI, wherever the option stands,
// for any replacement, and on the command line.
func TestDeclaredOptionsAsInUwsgi(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	for name, options := range map[string][]string{
		"several arguments": {"declare-option = site=env=A=$1;env=B=$2;chdir=/$1", "site = usr lib"},
		"strict":            {"strict = true", "declare-option = site=env=A=$1", "site = usr"},
		"used before":       {"x = 1", "site = %(x)", "declare-option = site=env=A=$1"},
		"as it is written":  {"x = 1", "declare-option = site=env=A=$1", "site = %(x)"},
		"before all others": {"env = A=1", "declare-option = site=env=A=$1;chdir=/usr", "chdir = /tmp", "site = 2"},
		"a hook":            {"declare-option = say=exec-as-user=echo hook $1 >>OUT", "exec-as-user = echo other >>OUT", "say = 1"},
		"a file":            {"declare-option = inc=ini=$1", "inc = inc.ini"},
		"include":           {"declare-option = inc=include=$1", "inc = inc.ini", "env = B=%(word)"},
		"a placeholder":     {"declare-option = name=set-placeholder=word=$1", "name = w", "env = A=%(word)"},
		"another one":       {"declare-option = one=env=A=$1", "declare-option = two=one=$1", "two = deep"},
		"blank in key":      {"declare-option = site=env=A=$1; env=B=$1", "site = b"},
		"a flag":            {"declare-option = flag=env=A=on", "flag"},
		"its own value":     {"declare-option = site=env=A=$1", "site = v", "env = B=%(site)"},
		"magic":             {"declare-option = site=env=A=$1;env=C=%n", "site = %n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			out := w.path("out")
			w.write("inc.ini", ini("env = A=included", "word = from inc"))
			text := ini(append(slices.Clone(options), "master = true", "socket = "+w.path("s/x"),
				"exec-as-user = echo A=$A B=$B C=$C >>OUT", "hook-post-app = exec:echo in `pwd` >>OUT", "hook-accepting1 = exec:echo end >>OUT")...)
			w.write("a.ini", strings.ReplaceAll(text, "OUT", out))
			want := w.said(t, out, uwsgi, "--ini", "a.ini")
			if got := w.said(t, out, program("vassal"), "--ini", "a.ini", "--command", "sleep 1000000"); !slices.Equal(got, want) {
				t.Errorf("%q, uWSGI says %q", got, want)
			}
		})
	}
	t.Run("on the command line", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		out := w.path("out")
		args := []string{
			"--master", "--declare-option", "site=env=A=$1", "--declare-option", "flag=env=B=1", "--flag", "--site", "cl", "--socket", w.path("s/x"),
			"--exec-as-user", "echo A=$A B=$B >>" + out, "--hook-accepting1", "exec:echo end >>" + out, "--set", "command=sleep 1000000",
		}
		want := w.said(t, out, uwsgi, args...)
		if got := w.said(t, out, program("vassal"), args...); !slices.Equal(got, want) || !slices.Contains(got, "A=cl B=1") {
			t.Errorf("%q, uWSGI says %q", got, want)
		}
	})
}

// TestBlanksAroundValues: numbers, names and addresses in XML elements may stand between
// blanks and on lines of their own.
func TestBlanksAroundValues(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.write("a.xml", "<uwsgi>\n<master> true </master>\n<processes> 2 </processes>\n<harakiri>\n  30\n</harakiri>\n<listen> 50 </listen>\n"+
		"<exec-as-user>\n  echo hello &gt;&gt;"+w.path("out")+"\n</exec-as-user>\n<socket>"+w.path("s/x")+"</socket>\n"+
		"<hook-accepting1>exec:echo end &gt;&gt;"+w.path("out")+"</hook-accepting1>\n<command> sleep 1000000 </command></uwsgi>")
	want := w.said(t, w.path("out"), uwsgi, "--xml", "a.xml")
	if got := w.said(t, w.path("out"), program("vassal"), "--xml", "a.xml"); !slices.Equal(got, want) {
		t.Errorf("%q, uWSGI says %q", got, want)
	}
	// uWSGI refuses these blanks; they cannot mean anything else.
	w.write("v/b.xml", "<uwsgi><uid>\n vassal001\n</uid><gid> vassal001 </gid><http-socket> 127.0.0.1:7080 </http-socket><chmod-socket> 660 </chmod-socket>"+
		"<vacuum> false </vacuum><command> sleep 1000000 </command></uwsgi>")
	w.write("v/c.yaml", "uwsgi:\n  http-socket: \" 127.0.0.1:7081 \"\n  processes: \" 1 \"\n  command: sleep 1000000\n")
	e := w.start()
	e.running("b.xml")
	e.running("c.yaml")
	e.stop(syscall.SIGTERM)
}

// TestVassalVariablesInTheCheck: an option for vassals in the emperor's environment applies
// when their files are checked.
func TestVassalVariablesInTheCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "socket = "+w.path("s/a"), "need-app = true")
	cmd := w.inside(program("emperor"), "--emperor-log-format", "json", w.vassals)
	cmd.Env = append(cmd.Env, "UWSGI_VASSAL_COMMAND=sleep 1000000", "UWSGI_VASSAL_EXEC_AS_ROOT=echo of the environment")
	e := w.launch(cmd)
	e.await("a.ini", "of the environment")
	e.running("a.ini")
	check := w.inside(program("emperor"), "check", w.vassals)
	check.Env = append(check.Env, "UWSGI_VASSAL_COMMAND=sleep 1000000")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
	e.stop(syscall.SIGTERM)
}

// TestUnspecifiedOfIPv6 includes IPv4 as well, as in uWSGI, except beside an IPv4 address with
// the port.
func TestUnspecifiedOfIPv6(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.dir("www", "index.html")
	answers := func(url string) string { return w.run("curl -sgm 5 " + url + "/index.html || echo refused") }
	w.vassal("a.ini", "http-socket = [::]:7090", "static-map = /="+w.path("www"))
	w.vassal("b.ini", "http-socket = :7091", "http-socket = [::]:7091", "static-map = /="+w.path("www"))
	w.vassal("c.ini", "shared-socket = [::]:7092", "http-socket = =0", "static-map = /="+w.path("www"))
	e := w.start()
	pid := e.running("a.ini")
	e.running("b.ini")
	e.running("c.ini")
	for _, url := range []string{"http://127.0.0.1:7090", "http://[::1]:7090", "http://127.0.0.1:7091", "http://[::1]:7091", "http://127.0.0.1:7092", "http://[::1]:7092"} {
		if got := answers(url); got != "a page" {
			t.Errorf("%s answers %q", url, got)
		}
	}
	w.vassal("a.ini", "http-socket = [::]:7090", "http-socket = 127.0.0.1:7090", "static-map = /="+w.path("www"))
	eventually(t, "a new process has both", func() bool { s := w.status("a.ini"); return s.State == "running" && s.PID != pid })
	for _, url := range []string{"http://127.0.0.1:7090", "http://[::1]:7090"} {
		if got := answers(url); got != "a page" {
			t.Errorf("%s answers %q", url, got)
		}
	}
	e.stop(syscall.SIGTERM)
	w.write("u.ini", ini("master = true", "http-socket = [::]:7090", "http-socket-modifier1 = 0", "plugin = python3", "wsgi-file = "+w.path("app.py"), "env = PEER=here"))
	w.write("app.py", peerApp)
	stop, log := w.uwsgiBy(t, w.at(w.base, uwsgi, "--ini", "u.ini"))
	eventually(t, "uWSGI serves", func() bool { return strings.Contains(log(), "spawned uWSGI worker") })
	for _, url := range []string{"http://127.0.0.1:7090", "http://[::1]:7090"} {
		if got := answers(url); got != "here" {
			t.Errorf("%s of uWSGI answers %q", url, got)
		}
	}
	stop()
}

// TestDaemonInItsOwnPIDNamespace: ns_pid makes a daemon the first process of a namespace, and
// blanks around a key or a value do no harm.
func TestDaemonInItsOwnPIDNamespace(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	daemon := "attach-daemon2 = cmd=sh -c 'echo I am $$ >>" + w.path("s/out") + "; exec sleep 1000000', ns_pid=1, max_throttle = 5"
	// The shell that runs the command may be the first, and this one the second.
	first := func() bool {
		return slices.Contains([]string{"I am 1", "I am 2"}, strings.Join(lines(w.path("s/out")), ","))
	}
	w.write("u.ini", ini("master = true", "socket = "+w.path("s/u"), strings.ReplaceAll(daemon, ", ", ",")))
	stop, _ := w.uwsgiBy(t, w.at(w.base, uwsgi, "--ini", "u.ini"))
	eventually(t, "uWSGI's daemon is the first", first)
	stop()
	_ = os.Remove(w.path("s/out"))
	w.vassal("a.ini", serves, daemon)
	w.vassal("user.ini", "uid = vassal001", "gid = vassal001", serves, strings.ReplaceAll(daemon, "s/out", "s/user"))
	e := w.start()
	eventually(t, "ours is the first", first)
	pid := e.running("a.ini")
	e.await("user.ini", "ns_pid takes root's rights")
	w.remove("a.ini")
	e.gone("a.ini")
	if alive(pid) {
		t.Error("it lives on")
	}
	e.stop(syscall.SIGTERM)
}
