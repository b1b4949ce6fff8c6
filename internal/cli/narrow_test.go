package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/emperor-go/emperor/internal/control"
)

// On 80 columns a long name leaves top its processor time, memory and errors; in a pipe nothing is cut.
func TestTopFits(t *testing.T) {
	long := strings.Repeat("customer-", 10) + ".ini"
	list := []busyVassal{{Vassal: listed(long, strings.Repeat("why ", 30))}, {Vassal: listed("店舗.ini", "")}}
	for _, width := range []int{20, 40, 60, 80, 120} {
		lines := topText(list, "cpu", time.Now(), width)
		for _, line := range lines[topHeads-1:] {
			if cells := runewidth.StringWidth(line); cells > width {
				t.Errorf("%d cells on %d: %s", cells, width, line)
			}
		}
		for _, want := range []string{"NAME", "STATE", "CPU%", "MEMORY", "ERROR"} {
			if width < 60 {
				break
			}
			if !strings.Contains(lines[topHeads-1], want) {
				t.Errorf("on %d cells there is no %s: %s", width, want, lines[topHeads-1])
			}
		}
	}
	if text := strings.Join(topText(list, "cpu", time.Now(), 0), "\n"); !strings.Contains(text, long) {
		t.Errorf("a pipe gets a part of the name:\n%s", text)
	}
}

// On a terminal an error begins with its cause, in a pipe with the path of the file.
func TestListIsBrief(t *testing.T) {
	l := listing{form: "table", width: 80}
	if text, err := l.text([]control.Vassal{listed("a.ini", "/etc/vassals/a.ini:2: umask")}); err != nil || !strings.Contains(text, "line 2: umask") {
		t.Errorf("%v\n%s", err, text)
	}
	l.width = 0
	if text, err := l.text([]control.Vassal{listed("a.ini", "/etc/vassals/a.ini:2: umask")}); err != nil || !strings.Contains(text, "/etc/vassals/a.ini:2: umask") {
		t.Errorf("%v: a pipe gets\n%s", err, text)
	}
}

// list --watch says how many vassals the screen has no room for, scrolls and filters.
func TestWatchScrolls(t *testing.T) {
	var all []control.Vassal
	for i := range 100 {
		all = append(all, listed(fmt.Sprintf("v%03d.ini", i), ""))
	}
	l := listing{form: "table"}
	shown := func() string {
		t.Helper()
		lines, err := l.frame(all)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "\n")
	}
	if text := shown(); !strings.Contains(text, " below") || !strings.Contains(text, "v000.ini") {
		t.Errorf("the first screen is\n%s", text)
	}
	l.view.press('G')
	if text := shown(); !strings.HasPrefix(text, "NAME") || !strings.Contains(text, "v099.ini") || strings.Contains(text, "v000.ini") {
		t.Errorf("the last screen is\n%s", text)
	}
	for _, key := range []byte("/v042") {
		l.view.press(key)
	}
	if text := shown(); strings.Contains(text, "v041.ini") || !strings.Contains(text, "v042.ini") {
		t.Errorf("the filter gives\n%s", text)
	}
}

// A template of an event has its fields, a mistake in it is a usage error, and texts of tenants make no second line.
func TestEventFormat(t *testing.T) {
	f := eventFormat{source: "{{.Vassal}} {{.From}}>{{.To}} {{.Text}}"}
	if err := f.choose(&operator{}); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(map[string]string{"vassal": "a\nb.ini", "what": "state", "from": "starting", "to": "running", "text": "x\x1b[31m"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.text(line); err != nil || got != `a\nb.ini starting>running x\x1b[31m` {
		t.Errorf("%q, %v", got, err)
	}
	for _, source := range []string{"{{.Name}}", "{{", "{{template \"x\"}}"} {
		f := eventFormat{source: source}
		if failed, ok := errors.AsType[exitError](f.choose(&operator{})); !ok || failed.code != ExitUsage {
			t.Errorf("%s is accepted", source)
		}
	}
	f = eventFormat{source: "{{.To}}"}
	if f.choose(&operator{asJSON: true}) == nil {
		t.Error("JSON by a template")
	}
}
