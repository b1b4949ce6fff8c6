//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A running vassal takes over the changes that it can; for others the log names the options
// that force a new process.
func TestReloadClasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www") + " && echo served >" + w.path("www/index.html"))
	socket := w.path("s/a")
	file := []string{"http-socket = " + socket, "static-map = /=" + w.path("www")}
	text := ini(file...)
	put := func(text string) { w.write(filepath.Join(w.vassals, "a.ini"), text) }
	put(text)
	e := w.start(allNamespaces, "--emperor-change-pause", "0")
	pid := e.await("a.ini", "starting -> running").PID
	for _, step := range []struct {
		what, text string
		respawn    string // the options that force it; empty: a reload
		options    string // the options of a reload, where they are named
	}{
		{"touched", text, "", ""},
		{"a comment", "# of no effect\n" + text, "", ""},
		{"spaces and empty lines", strings.ReplaceAll(text, " = ", "   =  ") + "\n\n; and another comment\n", "", ""},
		{"a placeholder for the same", "[uwsgi]\nset-placeholder = where=" + socket + "\nhttp-socket = %(where)\n" + file[1] + "\n", "", ""},
		{"an environment", text + "env = A=b\n", "", "env"},
		{"workers and a header", text + "processes = 2\nadd-header = X-A: b\n", "", "add-header, env, processes"},
		{"a socket", strings.ReplaceAll(text, socket, socket+"2"), "", "add-header, http-socket, processes"},
		{"back", text, "", "http-socket"},
		{"a hook of root", text + "exec-as-root = true\n", "exec-as-root", ""},
		{"another hook", text + "exec-as-root = :\n", "exec-as-root", ""},
		{"a user", text + "uid = 4001\ngid = 4001\n", "exec-as-root, gid, uid", ""},
		{"rights and what could be taken", text + "umask = 027\nenv = A=b\n", "gid, uid, umask", ""},
		{"another umask", text + "umask = 022\nenv = A=c\n", "umask", ""},
		{"a wait", text + "wait-for-file = /etc/passwd\n", "umask, wait-for-file", ""},
		{"back again", text, "wait-for-file", ""},
	} {
		put(step.text)
		if step.what == "touched" {
			now := time.Now()
			if err := os.Chtimes(w.path("v/a.ini"), now, now); err != nil {
				t.Fatal(err)
			}
		}
		if step.respawn == "" {
			if step.what != "touched" {
				r := e.await("a.ini", "reloading with its new configuration")
				if !strings.Contains(r.raw, fmt.Sprintf("%q:%q", "options", step.options)) {
					t.Errorf("%s: the log names %s, want %q", step.what, r.raw, step.options)
				}
			}
			e.await("a.ini", "reloading -> running")
			if !alive(pid) {
				t.Fatalf("%s: it has another process", step.what)
			}
			continue
		}
		if r := e.await("a.ini", "changed options need a new process"); !strings.Contains(r.raw, fmt.Sprintf("%q:%q", "options", step.respawn)) {
			t.Errorf("%s: the log names %s, want %s", step.what, r.raw, step.respawn)
		}
		next := e.await("a.ini", "starting -> running").PID
		if next == pid || alive(pid) {
			t.Errorf("%s: process %d, was %d", step.what, next, pid)
		}
		pid = next
	}
	if got := visit(t, socket, "/"); got != "served\n" {
		t.Errorf("it answers %q", got)
	}

	// A burst of writes is one change.
	reloads := e.count("a.ini", "-> reloading")
	f, err := os.OpenFile(w.path("v/a.ini"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := fmt.Fprintf(f, "env = N%d=1\n", i); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	e.await("a.ini", "reloading -> running")
	e.barrier()
	if n := e.count("a.ini", "-> reloading") - reloads; n != 1 {
		t.Errorf("a hundred writes were %d reloads", n)
	}
	e.stop(syscall.SIGTERM)
}
