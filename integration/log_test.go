//go:build linux

package integration

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestTextLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = printf 'one\\ntwo \\033[31mred\\n'", "command = sh -c 'echo from the worker; echo its errors >&2; exec sleep 1000000'")
	e := w.launch(w.inside(program("emperor"), allNamespaces, w.vassals))
	for _, pattern := range []string{
		`^\d\d:\d\d:\d\d\.\d{3} INFO  emperor \S+ is watching `,
		`^\S+ INFO  a\.ini: launching -> starting .*generation=1.* pid=\d+`,
		`^\S+ INFO  a\.ini: starting -> running .*generation=1.* pid=\d+`,
		`^\S+ INFO  a\.ini: .*one`,
		`^\S+ INFO  a\.ini: .*two \\x1b\[31mred`, // a tenant's output does not control the terminal
		`^\S+ INFO  a\.ini: from the worker$`,
		`^\S+ INFO  a\.ini: its errors$`,
	} {
		want := regexp.MustCompile(pattern)
		eventually(t, "the log holds "+pattern, func() bool {
			for line := range strings.Lines(e.tail()) {
				if want.MatchString(strings.TrimSpace(line)) {
					return true
				}
			}
			return false
		})
	}
	if strings.Contains(e.tail(), "\x1b") {
		t.Error("there is an escape in the log")
	}
}

func TestJSONLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = printf '{\"level\":\"ERROR\"}\\n'", serves)
	w.vassal("broken.ini", "uid = 0day", serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	e.await("broken.ini", "cannot use its configuration")
	e.await("a.ini", "ERROR")
	e.remove("a.ini")
	e.gone("a.ini")
	e.end()
	for _, r := range e.records {
		var fields map[string]any
		if err := json.Unmarshal([]byte(r.raw), &fields); err != nil {
			t.Errorf("%q: %v", r.raw, err)
			continue
		}
		for _, key := range []string{"time", "level", "msg"} {
			if _, ok := fields[key].(string); !ok {
				t.Errorf("%q has no %s", r.raw, key)
			}
		}
	}
	for _, transition := range []string{"launching -> starting", "starting -> running", "running -> stopping", "-> gone"} {
		if n := e.count("a.ini", transition); n != 1 {
			t.Errorf("%q is logged %d times", transition, n)
		}
	}
}
