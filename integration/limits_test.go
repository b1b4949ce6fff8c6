//go:build linux

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// The limits of a vassal are limits of each of its programs, as under uWSGI, and not of the
// vassal itself, which could not go on.
func TestLimitsOfPrograms(t *testing.T) {
	t.Parallel()
	const says = "sh -c 'ulimit -v; ulimit -u; exec sleep 1000000'"
	for name, c := range map[string]struct {
		options []string
		want    string
	}{
		"command.ini": {[]string{"limit-as = 200", "limit-nproc = 4000", "command = " + says}, `"msg":"204800"`},
		"patch.ini":   {[]string{"limit-as = 100", "unprivileged-binary-patch-arg = " + says}, `"msg":"102400"`},
		"root.ini":    {[]string{"limit-as = 100", "privileged-binary-patch-arg = " + says}, `"msg":"102400"`},
		"shell.ini":   {[]string{"limit-as = 150", "attach-daemon = ulimit -v; exec sleep 1000000", "command = sleep 1000000"}, `"msg":"153600"`},
		"daemon.ini":  {[]string{"limit-as = 150", "attach-daemon2 = cmd=" + says, "command = sleep 1000000"}, `"msg":"153600"`},
		"post.ini":    {[]string{"limit-as = 150", "exec-post-fork = true", "command = " + says}, `"msg":"153600"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal(name, c.options...)
			e := w.start(allNamespaces)
			pid := e.running(name)
			e.await(name, c.want)
			if text := w.succeed("status", name); !strings.Contains(text, "running") {
				t.Errorf("the status of process %d is\n%s", pid, text)
			}
		})
	}
}

// Programs of hooks have the limits from the drop on, and none before it.
func TestLimitsOfHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	show := func(who string) string {
		return fmt.Sprintf("cat /proc/self/limits >%[1]s.new; mv %[1]s.new %[1]s", w.path("s/"+who))
	}
	w.write("s/touched", "")
	w.vassal("a.ini", "limit-as = 200", "limit-nproc = 4000", "exec-as-root = "+show("as-root"), "uid = 4001", "gid = 4001",
		"exec-as-user = "+show("as-user"), "hook-pre-app = execv:sh -c '"+show("pre-app")+"'", "exec-post-fork = "+show("post-fork"),
		"exec-accepting = "+show("accepting"), "hook-touch = "+w.path("s/touched")+" exec:"+show("touch"), "exec-as-user-atexit = "+show("atexit"), serves)
	w.vassal("failing.ini", "limit-as = 200", "hook-as-user = execv:false", serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	w.write("s/touched", "again")
	limited := func(who, space, processes string) {
		t.Helper()
		text := w.shown(who)
		if got := line(text, "Max address space"); got != space {
			t.Errorf("%s has the address space %s", who, got)
		}
		if got := line(text, "Max processes"); got != processes {
			t.Errorf("%s has the processes %s", who, got)
		}
	}
	e.await("failing.ini", "hook as-user #1 (hook: execv:false): exit status 1")
	for _, who := range []string{"as-user", "pre-app", "post-fork", "accepting", "touch"} {
		limited(who, "209715200 209715200 bytes", "4000 4000 processes")
	}
	if text := w.shown("as-root"); strings.Contains(text, "209715200") {
		t.Errorf("before the drop there are limits:\n%s", text)
	}
	e.remove("a.ini")
	limited("atexit", "209715200 209715200 bytes", "4000 4000 processes")
}

// The built-in server is not limited, and a file that expects it gets a warning.
func TestLimitsOfTheBuiltInServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/web")
	w.vassal("a.ini", "http-socket = "+socket, "static-map = /="+w.dir("www", "page"), "limit-as = 200")
	e := w.start(allNamespaces)
	e.running("a.ini")
	e.await("a.ini", "limit-as: the built-in server is not limited by it")
	if out := w.run("curl -sS --max-time 10 --unix-socket " + socket + " http://x/page"); out != "a page" {
		t.Errorf("it answers %q", out)
	}
}
