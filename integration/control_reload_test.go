//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	supervisor "github.com/emperor-go/emperor/pkg/emperor"
)

// State, generation, serial and the hash of the configuration show when a reload is complete,
// and with which bytes.
func TestReloadsAreSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("one") + " " + w.path("two") + " && echo 1 >" + w.path("one/index.html") + " && echo 2 >" + w.path("two/index.html"))
	put := func(dir string, more ...string) {
		t.Helper()
		w.vassal("a.ini", append(more, "http-socket = "+w.path("s/a"), "static-map = /="+w.path(dir))...)
	}
	type sight struct {
		Generation, Serial uint64
		Reloads            int
	}
	var config string // in effect
	expect := func(what string, want sight, changed bool) {
		t.Helper()
		var s supervisor.Record
		eventually(t, fmt.Sprintf("%s: running %+v", what, want), func() bool { // the answer may be slightly old
			s = w.status("a.ini")
			return s.State == "running" && (sight{s.Generation, s.Serial, s.Reloads}) == want
		})
		if s.Config != s.WantedConfig || (s.Config != config) != changed {
			t.Errorf("%s: configuration %s, wanted %s, was %s", what, s.Config, s.WantedConfig, config)
		}
		config = s.Config
	}
	put("one")
	e := w.start(allNamespaces)
	e.running("a.ini")
	expect("the first start", sight{1, 1, 0}, true)
	first := config

	w.run("touch " + w.path("v/a.ini"))
	e.await("a.ini", "reloading -> running")
	expect("a touch", sight{1, 2, 1}, false)
	put("two")
	e.await("a.ini", "reloading -> running")
	expect("a change that it takes", sight{1, 3, 2}, true)
	eventually(t, "the old worker takes no more connections", func() bool { return visit(t, w.path("s/a"), "/") == "2\n" })
	var a control.Answer
	if err := json.Unmarshal([]byte(w.succeed("reload", "a.ini", "--wait", "--json")), &a); err != nil {
		t.Fatal(err)
	}
	if v := a.Vassal; !a.Done || v.State != "running" || v.Serial != 4 || v.Reloads != 3 || v.Config != config {
		t.Errorf("the answer of a reload is %+v", v)
	}
	expect("a reload by the operator", sight{1, 4, 3}, false)

	put("two", "uid = 4001")
	e.running("a.ini")
	expect("a change that takes a new process", sight{2, 1, 0}, true)
	put("two", "uid = 0day")
	e.await("a.ini", "cannot use its new configuration")
	eventually(t, "the fault is told", func() bool { return w.status("a.ini").Fault != "" })
	if s := w.status("a.ini"); s.Config != config || s.WantedConfig != config || s.Generation != 2 || s.State != "running" {
		t.Errorf("after an edit that cannot be used: %+v", s)
	}
	put("one") // the first bytes again
	e.running("a.ini")
	expect("back to the beginning", sight{3, 1, 0}, true)
	if config != first {
		t.Errorf("the same bytes have another hash: %s and %s", config, first)
	}
	if s := w.status("a.ini"); s.Fault != "" {
		t.Errorf("the fault is not forgotten: %s", s.Fault)
	}
	out := w.succeed("events", "a.ini", "--json")
	var last eventlog.Event
	for line := range strings.Lines(strings.TrimSpace(out)) {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatal(err)
		}
	}
	if last.To != "running" || last.Generation != 3 || last.Config != config {
		t.Errorf("the last event is %+v", last)
	}
}
