//go:build linux

package integration

import (
	"strings"
	"testing"
)

// TestUwsgiTemplates passes the names of templates to a program that replaces a vassal, which
// opens a configuration that uWSGI's protocol could not carry.
func TestUwsgiTemplates(t *testing.T) {
	t.Parallel()
	needsUwsgi(t)
	w := newWorld(t)
	socket := w.path("s/app")
	w.write("after.ini", ini("env = PEER=%(who)"))
	w.peer("app.ini", "http-socket = "+socket)
	w.peer("large.ini", "# "+strings.Repeat("x", 1<<16), "http-socket = "+w.path("s/large"))
	e := w.start("--emperor-wrapper", uwsgi, "--vassal-set", "who=set", "--vassals-include", w.path("after.ini"))
	e.running("app.ini")
	if got := visit(t, socket, "/"); got != "set" {
		t.Errorf("answer: %q", got)
	}
	e.running("large.ini")
	if got := visit(t, w.path("s/large"), "/"); got != "set" {
		t.Errorf("the large one answers %q", got)
	}
}
