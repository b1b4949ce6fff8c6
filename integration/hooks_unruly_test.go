//go:build linux

package integration

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

// unruly are hooks that break the rules, and their expected log lines.
var unruly = map[string]struct{ hook, log string }{
	"closes its descriptors":     {"exec <&- >&- 2>&-; sleep 0.2", ""},
	"signals its group":          {"trap '' TERM; kill -TERM 0; echo it lives", "it lives"},
	"kills its group":            {"kill -KILL 0", "signal: killed"},
	"prints without a line end":  {"printf half-a-line", "half-a-line"},
	"prints what drives screens": {`printf 'a\033[2Jb\000c\n'`, "b"},
	"reads":                      {"read line || echo there is no input", "there is no input"},
	"daemonises":                 {"setsid sh -c 'sleep 1 <&- >&- 2>&-' & echo a daemon is left", "a daemon is left"},
	"holds its output open":      {"setsid sleep 1 & echo something is left", "something is left"},
	"prints 100 MB":              {"head -c 100000000 /dev/zero | tr '\\0' x | fold -w 1000; echo", "xxxx"},
	"prints one line of 100 MB":  {"head -c 100000000 /dev/zero | tr '\\0' y; echo", "yyyy"},
	"fills its environment":      {"export A=`head -c 100000 /dev/zero | tr '\\0' e`; echo ${#A} bytes", "100000 bytes"},
	"runs for ever":              {"echo for ever; while :; do sleep 1000; done", "timed out after 2s"},
}

// A hook that breaks the rules harms neither the emperor nor its vassal, on either side.
func TestUnrulyHooks(t *testing.T) {
	t.Parallel()
	for name, u := range unruly {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "hook-timeout = 2", "exec-as-root = -"+u.hook, "exec-as-root = echo goes on >"+w.path("inside"), serves) // its lines may be lost after 100 MB
			w.vassal("b.ini", serves)
			e := w.start(allNamespaces, "--emperor-hook-timeout", "2",
				"--exec-as-emperor", "-test $UWSGI_VASSAL_NAME = b.ini || { "+u.hook+"; }", "--exec-as-emperor", "echo the emperor goes on")
			for _, vassal := range []string{"a.ini", "b.ini"} {
				e.await(vassal, "the emperor goes on")
			}
			if u.log != "" {
				e.await("a.ini", u.log)
				e.await("a.ini", u.log)
			}
			e.running("a.ini")
			if text := w.run("cat " + w.path("inside")); text != "goes on" {
				t.Errorf("after the hook inside: %q", text)
			}
			e.running("b.ini")
			if n := e.count("a.ini", "xxxx"); n > 5000 {
				t.Errorf("%d lines of the flood are in the log", n)
			}
			e.stop(syscall.SIGTERM)
			eventually(t, "what it left behind is over", func() bool {
				return !slices.ContainsFunc(w.processes(), func(p string) bool { return strings.Contains(p, " sleep ") })
			})
		})
	}
}

// A worker's hooks may together be longer than an argument of execve(2): the worker gets them
// by a descriptor.
func TestManyHooksOfAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := "exec-post-fork = true " + strings.Repeat("x", 60000)
	w.vassal("a.ini", long, long, long, "exec-post-fork = echo all of them ran", serves)
	// A single hook cannot exceed the kernel's limit: the error names its file.
	w.vassal("long.ini", "exec-as-root = true "+strings.Repeat("x", 140000), serves)
	e := w.start(allNamespaces)
	e.await("a.ini", "all of them ran")
	e.running("a.ini")
	e.await("long.ini", "exec-as-root: the command has")
	e.stop(syscall.SIGTERM)
}
