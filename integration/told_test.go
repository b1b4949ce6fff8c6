//go:build linux

package integration

import (
	"strings"
	"testing"
)

// Each mistake of a file has a log record of its own, the cause first and without its
// consequence; the list shows the cause.
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
	if r := e.await("b.ini", "cannot use its configuration"); !strings.Contains(r.Error, "there is nothing in section") {
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
