//go:build linux

package integration

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTemplates puts files and an option around the file of a vassal, which is configured by
// all of them, in uWSGI's order.
func TestTemplates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("before.ini", ini("domain = of-before", "where = %(domain) %n", "umask = 022"))
	w.write("after.ini", ini("umask = 027", "env = UPPER=%N"))
	w.write("inherit.yaml", "uwsgi:\n  env: [INHERITED=%n, \"SHELL_HOME=$(HOME)\"]\n")
	w.vassal("site.ini", "command = sh -c 'umask >"+w.path("umask")+"; env >"+w.path("env")+"; exec sleep 1000'",
		"umask = 077", "env = WHERE=%(where)", "env = SET=%(own) %(domain)")
	e := w.start("--vassals-include-before", w.path("before.ini"), "--vassal-set", "own=of-set", "--vassal-set", "domain=of-set",
		"--vassals-inherit", w.path("inherit.yaml"), "--vassals-include", w.path("after.ini"))
	pid := e.running("site.ini")
	for _, line := range []string{"WHERE=of-before before", "SET=of-set of-before", "UPPER=site", "INHERITED=inherit", "SHELL_HOME=$(HOME)"} {
		eventually(t, line, func() bool { return slices.Contains(lines(w.path("env")), line) })
	}
	if got, err := os.ReadFile(w.path("umask")); err != nil || string(got) != "0027\n" {
		t.Errorf("umask is %q, %v", got, err)
	}
	// A mistake in a template stops no vassal.
	w.write("after.ini", "[uwsgi\n")
	w.vassal("site.ini", "command = sleep 1000", "umask = 077")
	e.await("site.ini", "no closing bracket")
	if !alive(pid) {
		t.Errorf("the vassal does not run any more:\n%s", e.tail())
	}
}

// The class of a change is the same in every file: a changed hook needs a new process, which runs
// it, and a changed variable does not.
func TestClassOfAChangeInEveryFile(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		file    string   // with the options
		own     []string // in the vassal's file
		emperor []string // arguments
	}{
		"own file":                {file: "v/a.ini"},
		"include":                 {file: "shared.ini", own: []string{"include = %s"}},
		"inherit":                 {file: "shared.ini", own: []string{"inherit = %s"}},
		"vassals-include":         {file: "shared.ini", emperor: []string{"--vassals-include", "%s"}},
		"vassals-include-before":  {file: "shared.ini", emperor: []string{"--vassals-include-before", "%s"}},
		"vassals-inherit":         {file: "shared.ini", emperor: []string{"--vassals-inherit", "%s"}},
		"include of the template": {file: "shared.ini", emperor: []string{"--vassal-set", "include=%s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			at := func(words []string) (all []string) {
				for _, word := range words {
					all = append(all, strings.ReplaceAll(word, "%s", w.path(how.file)))
				}
				return all
			}
			serves := append(at(how.own), "command = sh -c 'echo serves $MILD; exec sleep 1000000'")
			shared := func(options ...string) {
				if how.file == "v/a.ini" {
					options = append(options, serves...)
				}
				w.write(how.file, ini(options...))
			}
			shared("exec-as-root = echo hook one", "env = MILD=one")
			if how.file != "v/a.ini" {
				w.vassal("a.ini", serves...)
			}
			reload := func(edit string) {
				switch {
				case how.emperor != nil: // an edit reads the templates, too
					w.vassal("a.ini", append(serves, "env = EDIT="+edit)...)
				case how.own != nil:
					w.succeed("reload", "--wait", "a.ini")
				}
			}
			e := w.start(at(how.emperor)...)
			pid := e.running("a.ini")
			e.await("a.ini", "hook one")
			shared("exec-as-root = echo hook one", "env = MILD=two")
			reload("1")
			e.await("a.ini", "serves two")
			e.await("a.ini", "reloaded")
			e.undisturbed("a.ini", pid)
			shared("exec-as-root = echo hook two", "env = MILD=two")
			reload("2")
			e.await("a.ini", "hook two")
			if n := e.count("a.ini", "launching ->"); n != 2 {
				t.Errorf("there were %d processes, want 2", n)
			}
		})
	}
}

// TestFormats runs vassals whose files are YAML, JSON and XML, in namespaces of their own, and
// changes one that has dropped its privileges.
func TestFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("v/a.yaml", "uwsgi:\n  command: sleep 1000\n  env: [WHO=%n]\n  uid: 4001\n  gid: 4001\n")
	w.write("v/b.json", `{"uwsgi": {"command": "sleep 1000", "env": "WHO=%n"}}`)
	w.write("v/c.xml", `<uwsgi><command>sleep 1000</command><env>WHO=%n</env></uwsgi>`)
	e := w.start(allNamespaces)
	for name, want := range map[string]string{"a.yaml": "a", "b.json": "b", "c.xml": "c"} {
		pid := e.running(name)
		eventually(t, name+" has its environment", func() bool {
			return strings.Contains(in(t, pid, "cat /proc/*/environ 2>/dev/null || true"), "WHO="+want+"\x00")
		})
	}
	w.write("v/a.yaml", "uwsgi:\n  command: sleep 1001\n  env: [WHO=%n]\n  uid: 4001\n  gid: 4001\n")
	pid := e.running("a.yaml")
	eventually(t, "a.yaml is reloaded", func() bool {
		return strings.Contains(in(t, pid, "cat /proc/*/cmdline 2>/dev/null || true"), "sleep\x001001\x00")
	})
	w.write("v/a.yaml", "uwsgi:\n  a: b: c\n")
	e.await("a.yaml", "a.yaml:2: cannot parse YAML")
}
