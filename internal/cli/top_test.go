package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

func TestTopCompares(t *testing.T) {
	start := time.Unix(1000, 0)
	vassal := func(name string, generation uint64, cpu float64, memory uint64, restarts int, since time.Duration) control.Vassal {
		v := control.Vassal{
			Record:   emperor.Record{Name: name, State: emperor.Running, Since: start.Add(since)},
			Restarts: restarts, Usage: control.Usage{CPU: cpu, Memory: memory},
		}
		v.Generation = generation
		return v
	}
	var u usage
	u.update([]control.Vassal{vassal("a", 1, 1, 0, 0, 0), vassal("b", 1, 1, 0, 0, 0), vassal("c", 1, 9, 0, 0, 0)}, start)
	list := u.update([]control.Vassal{
		vassal("a", 1, 1.5, 10, 0, 0), vassal("b", 1, 3, 20, 7, 5*time.Second), vassal("c", 2, 9.5, 30, 1, 9*time.Second), vassal("d", 1, 0, 5, 0, time.Second),
	}, start.Add(2*time.Second))
	for key, want := range map[string]string{"cpu": "b a c d", "memory": "c b a d", "restarts": "b c a d", "since": "c b d a", "name": "a b c d"} {
		order(list, "name")
		order(list, key)
		var names []string
		for _, v := range list {
			names = append(names, v.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("by %s: %s, want %s", key, got, want)
		}
	}
	order(list, "name")
	if list[0].Percent != 25 || list[1].Percent != 100 || list[2].Percent != 0 {
		t.Errorf("the parts of a processor are %v, %v, %v, want 25, 100, and 0 for a new generation", list[0].Percent, list[1].Percent, list[2].Percent)
	}
	if head := topText(list, "name", start, 0)[0]; !strings.Contains(head, "4 vassals, 4 running  (by name)") {
		t.Errorf("the head is %q", head)
	}
	x := top{sort: "cpu"}
	for letter, want := range map[byte]string{'m': "memory", 's': "since", 'c': "cpu", 'n': "name", 'r': "restarts"} {
		x.press(letter)
		x.press('x')
		if x.sort != want {
			t.Errorf("%c sorts by %s", letter, x.sort)
		}
	}
}
