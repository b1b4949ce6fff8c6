//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// hardened are the options of a vassal that shows its hardening, and the files that it writes:
// one for each kind of process.
func (w *world) hardened(options ...string) []string {
	show := func(who string) string {
		return fmt.Sprintf("cat /proc/self/status /proc/self/limits >%[1]s.new; mv %[1]s.new %[1]s", w.path("s/"+who))
	}
	return append(options,
		"exec-as-user = "+show("hook"), "exec-post-fork = "+show("post-fork"), "attach-daemon = "+show("daemon")+"; exec sleep 1000000",
		"hook-touch = "+w.path("s/touched")+" exec:"+show("touch"), "command = sh -c '"+show("worker")+"; exec sleep 1000000'")
}

// shown returns what a process of a hardened vassal has shown.
func (w *world) shown(who string) (text string) {
	w.t.Helper()
	eventually(w.t, "the "+who+" has shown its rights", func() bool {
		b, err := os.ReadFile(w.path("s/" + who))
		text = string(b)
		return err == nil
	})
	return text
}

// line returns the words of the first line that begins so.
func line(text, beginning string) string {
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, beginning); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	return "none"
}

// everyProcess are the kinds of processes that inherit what a vassal gives up at its drop.
var everyProcess = []string{"hook", "post-fork", "daemon", "touch", "worker", "enter", "master"}

// eachProcess starts a hardened vassal and calls check with the status and the limits of each
// of its processes.
func (w *world) eachProcess(options []string, check func(who, text string)) {
	w.t.Helper()
	w.write("s/touched", "")
	w.vassal("a.ini", w.hardened(options...)...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	w.write("s/touched", "again")
	for _, who := range everyProcess {
		switch who {
		case "enter":
			check(who, output(w.t, w.entered("a", "cat", "/proc/self/status", "/proc/self/limits")))
		case "master":
			threads := strings.Fields(w.run(fmt.Sprintf("cd /proc/%d/task && echo *", pid)))
			if len(threads) < 2 {
				w.t.Errorf("the master has the threads %v", threads)
			}
			for _, thread := range threads {
				check(who, w.run(fmt.Sprintf("cat /proc/%d/task/%s/status /proc/%[1]d/limits", pid, thread)))
			}
		default:
			check(who, w.shown(who))
		}
	}
}

// TestNoNewPrivileges: no process of the vassal can gain rights, and a set-user-id program runs
// as the vassal's user.
func TestNoNewPrivileges(t *testing.T) {
	t.Parallel()
	for on, want := range map[string]string{"true": "1", "false": "0"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("cp $(command -v id) " + w.path("id") + " && chmod 4755 " + w.path("id"))
			id := "exec-as-user = " + w.path("id") + " -u >" + w.path("s/id")
			w.eachProcess([]string{"no-new-privileges = " + on, "uid = 4001", "gid = 4001", id}, func(who, text string) {
				if got := line(text, "NoNewPrivs:"); got != want {
					t.Errorf("%s: NoNewPrivs is %s, want %s", who, got, want)
				}
			})
			if got := strings.TrimSpace(w.shown("id")); got != map[string]string{"true": "4001", "false": "0"}[on] {
				t.Errorf("a set-user-id program of root runs as %s", got)
			}
		})
	}
}

// TestNoNewPrivilegesOfReplacements: a program in place of the vassal, the built-in server and
// the parent of a privileged program have them neither.
func TestNoNewPrivilegesOfReplacements(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"patch":      {"uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = sleep 1000000"},
		"privileged": {"privileged-binary-patch-arg = sleep 1000000"},
		"init":       {"privileged-binary-patch-arg = sleep 1000000", "privileged-binary-patch-init = true"},
		"server":     {"uid = 4001", "gid = 4001", "http-socket = /S/web", "static-map = /=/usr"},
		"servers":    {"uid = 4001", "gid = 4001", "http-socket = /S/web", "static-map = /=/usr", "processes = 2"},
		"root":       {serves},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for i := range options {
				options[i] = strings.ReplaceAll(options[i], "/S/", w.path("s")+"/")
			}
			w.vassal("a.ini", append(options, "no-new-privileges = true", "limit-nofile = 100:200", "limit-core = 0:4k", "limit-memlock = 1m")...)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			all := append(children(pid), pid)
			if want := map[string]int{"privileged": 2, "server": 1, "servers": 3, "root": 2}[name]; want > 0 && len(all) != want {
				t.Errorf("its processes are %v", all)
			}
			for _, p := range all {
				text := w.run(fmt.Sprintf("cat /proc/%d/status /proc/%[1]d/limits", p))
				if name == "server" || name == "servers" && p != pid { // a Go program raises its soft limit
					text = strings.Replace(text, " 199 ", " 100 ", 1)
				}
				checkHard(t, fmt.Sprint(p), text)
			}
		})
	}
}

func checkHard(t *testing.T, who, text string) {
	t.Helper()
	for beginning, want := range map[string]string{
		"NoNewPrivs:": "1", "Max open files": "100 200 files", "Max core file size": "0 4096 bytes", "Max locked memory": "1048576 1048576 bytes",
	} {
		if got := line(text, beginning); got != want {
			t.Errorf("%s: %s is %q, want %q", who, beginning, got, want)
		}
	}
}

// Each process of a vassal has the limits of its file. A limit that cannot be set
// ends the boot, with the line of the option.
func TestResourceLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.eachProcess([]string{"no-new-privileges = true", "limit-nofile = 100:200", "limit-core = 0:4k", "limit-memlock = 1m", "uid = 4001", "gid = 4001"}, func(who, text string) {
		checkHard(t, who, text)
	})
}

func TestResourceLimitThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-user = echo as user", "limit-nofile = 1024:99999999999", serves)
	e := w.start(allNamespaces)
	e.await("a.ini", "a.ini:3: limit-nofile: cannot set the limit to 1024:99999999999, which is ")
	e.await("a.ini", "-> backoff")
	if e.count("a.ini", "as user") > 0 {
		t.Errorf("the boot went on:\n%s", e.tail())
	}
}
