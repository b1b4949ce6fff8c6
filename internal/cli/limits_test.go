package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/control"
)

// Wide lists, top and status show the use against each limit, and the limits that were met.
func TestLimitsAreShown(t *testing.T) {
	kills := 2
	v := listed("shop.ini", "")
	v.Usage = control.Usage{Memory: 64 << 20, MemoryMax: 128 << 20, Tasks: 12, TasksMax: 300, Throttled: 1.5, OOMKills: &kills, LimitHits: map[string]uint64{"cpu-quota": 4, "tasks-max": 3}}
	free := listed("free.ini", "")
	v.UID = 0
	plain := vassalTable([]control.Vassal{v, free}, time.Now()).text(false)
	if !strings.Contains(plain, "64M/128M") || !strings.Contains(plain, "12/300") || !strings.Contains(plain, "root") {
		t.Errorf("the list shows no use against limits:\n%s", plain)
	}
	if none := vassalTable([]control.Vassal{free}, time.Now()).text(false); strings.Contains(none, "TASKS") {
		t.Errorf("a column for tasks that no controller counts:\n%s", none)
	}
	wide := vassalTable([]control.Vassal{v, free}, time.Now())
	wide.addOwners([]control.Vassal{v, free})
	for name, text := range map[string]string{
		"list": wide.text(false), "top": strings.Join(topText([]busyVassal{{Vassal: v}}, "cpu", time.Now(), 0), "\n"), "status": factsText(statusFacts(control.Status{Vassal: v}, time.Now())),
	} {
		for _, want := range []string{"64M/128M", "12/300", "cpu-quota 4 times for 1.50s, tasks-max 3 times, out of memory 2"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
	}
	if text := wide.text(false); !strings.Contains(text, "OWNER") || !strings.Contains(text, "TASKS") {
		t.Errorf("the wide list has no owner:\n%s", text)
	}
	if text := wide.text(false); !strings.Contains(text, "12M ") || strings.Contains(text, "12M/") {
		t.Errorf("without a limit:\n%s", text)
	}
}
