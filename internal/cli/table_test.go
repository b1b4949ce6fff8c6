package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

func listed(name, problem string) control.Vassal {
	uid := uint32(0)
	v := control.Vassal{
		Record: emperor.Record{Name: name, State: emperor.Running, Since: time.Now()},
		Error:  problem, RunsAs: &uid, Restarts: 3, Usage: control.Usage{Memory: 12 << 20, CPU: 1.5},
	}
	v.PID, v.Generation, v.Address = 12345, 12, "10.142.3.7:8080"
	return v
}

// A line is never wider than the terminal: columns go first, then long texts are cut. Without a
// terminal nothing is lost.
func TestTableFits(t *testing.T) {
	long := strings.Repeat("x", 200)
	vassals := []control.Vassal{
		listed("shop.ini", ""), listed("a-name-of-a-vassal-that-is-very-long-indeed.ini", long), listed("店舗の管理-店舗の管理-店舗の管理.ini", "エラー"+long), listed("bad\x1b[31m.ini", ""),
	}
	for _, width := range []int{1, 10, 20, 40, 60, 80, 100, 120, 200, 400} {
		table := vassalTable(vassals, time.Now())
		table.fit(width)
		text := table.text(false)
		for line := range strings.Lines(text) {
			if got := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); got > width {
				t.Errorf("%d cells on %d: %s", got, width, line)
			}
		}
		for _, want := range []string{"NAME", "STATE", "SINCE", "ERROR OR STATUS", "shop.ini", "running"} {
			if room := map[string]int{"SINCE": 60, "ERROR OR STATUS": 60, "STATE": 40, "running": 40, "shop.ini": 10, "NAME": 10}[want]; width < room {
				continue
			}
			if !strings.Contains(text, want) {
				t.Errorf("%d cells: no %s in\n%s", width, want, text)
			}
		}
		if strings.Contains(text, "\x1b") {
			t.Errorf("a control character in\n%q", text)
		}
	}
	all := vassalTable(vassals, time.Now())
	all.fit(0)
	text := all.text(false)
	for _, want := range []string{long, "very-long-indeed.ini", "12345", "10.142.3.7:8080"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// One long name, or one long address, leaves out no column that a short one would leave: it is cut itself, and has
// the room that is left. 80 columns always have the state, the time, the restarts, the address and the error.
func TestLongNameDisplacesNothing(t *testing.T) {
	long := listed("a-name-of-a-vassal-that-is-very-long-indeed-and-of-one-customer-only.ini", "")
	wide := listed("店舗の管理-店舗の管理-店舗の管理-店舗の管理-店舗の管理.ini", strings.Repeat("エラー", 30))
	far := listed("far.ini", "")
	far.Address = "/run/a/very/long/path/of/one/customer/with/a/socket.sock"
	header := func(width int, vassals ...control.Vassal) (string, string) {
		table := vassalTable(vassals, time.Now())
		table.fit(width)
		text := table.text(false)
		first, _, _ := strings.Cut(text, "\n")
		return strings.Join(strings.Fields(first), " "), text
	}
	for _, width := range []int{80, 100, 120, 160} {
		want, _ := header(width, listed("shop-of-16-le.ini", ""), listed("b.ini", strings.Repeat("x", 90)))
		got, text := header(width, listed("shop.ini", ""), long, wide, far)
		if got != want {
			t.Errorf("on %d cells the columns are\n%s\nand with short names\n%s\n%s", width, got, want, text)
		}
		for _, column := range []string{"NAME", "STATE", "SINCE", "RESTARTS", "ADDRESS", "ERROR OR STATUS"} {
			if !strings.Contains(got, column) {
				t.Errorf("on %d cells there is no %s:\n%s", width, column, text)
			}
		}
		for line := range strings.Lines(text) {
			if cells := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); cells > width {
				t.Errorf("%d cells on %d: %s", cells, width, line)
			}
		}
	}
	if _, text := header(130, listed("shop.ini", ""), long); !strings.Contains(text, "a-name-of-a-vassal-that-is-very") {
		t.Errorf("the name is cut although there is room:\n%s", text)
	}
}

// Columns begin in the same cell of each line, with wide letters and colours too.
func TestTableIsAligned(t *testing.T) {
	table := vassalTable([]control.Vassal{listed("店舗.ini", ""), listed("a.ini", "")}, time.Now())
	lines := strings.Split(table.text(false), "\n")
	at := func(line, word string) int { return runewidth.StringWidth(line[:strings.Index(line, word)]) }
	for _, line := range lines[1:3] {
		if at(line, "running") != at(lines[0], "STATE") {
			t.Errorf("not aligned:\n%s", strings.Join(lines, "\n"))
		}
	}
	if colored := table.text(true); strings.NewReplacer(green, "", noColor, "").Replace(colored) != table.text(false) || !strings.Contains(colored, green+"running"+noColor) {
		t.Errorf("colours change the text:\n%q", colored)
	}
}

func TestColored(t *testing.T) {
	for _, c := range []struct {
		when, env, term string
		terminal, want  bool
	}{
		{"auto", "", "xterm", true, true},
		{"auto", "1", "xterm", true, false},
		{"auto", "", "dumb", true, false},
		{"auto", "", "xterm", false, false},
		{"always", "1", "dumb", false, true},
		{"never", "", "xterm", true, false},
	} {
		t.Setenv("NO_COLOR", c.env)
		t.Setenv("TERM", c.term)
		if got := colored(c.when, c.terminal); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestMoment(t *testing.T) {
	var m moment
	for _, text := range []string{"10m", "1h30m", "08:00", "08:00:01", "2026-11-30", "2026-11-30 08:00", "2026-11-30T08:00:00Z"} {
		if err := m.Set(text); err != nil || m.IsZero() {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
	if err := m.Set("10m"); err != nil || time.Since(m.Time) < 9*time.Minute || time.Since(m.Time) > 11*time.Minute {
		t.Errorf("an age: %v", m)
	}
	for _, text := range []string{"", "soon", "25:00", "2026-13-01"} {
		if m.Set(text) == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
