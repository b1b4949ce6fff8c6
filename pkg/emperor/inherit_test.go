package emperor

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// silentMonitor reports nothing.
type silentMonitor struct{}

func (silentMonitor) String() string { return "silent" }

func (silentMonitor) Run(ctx context.Context, _ func(monitor.Set)) error {
	<-ctx.Done()
	return nil
}

// inheriting lets an emperor begin with vassals of an earlier one, each NAME: TEXT. The process of
// b.ini boots, and h.ini has none.
func inheriting(t *testing.T, m monitor.Monitor, vassals map[string]string) *stage {
	t.Helper()
	return play(t, func(o *Options) {
		o.Monitors = []monitor.Monitor{m}
		for name, text := range vassals {
			i := Inherited{Plan: &Plan{Config: monitor.Text(name, text)}, Generation: 7, Accepting: name != "b.ini", Held: name == "h.ini"}
			if !i.Held {
				p, err := o.Launcher.Launch(t.Context(), Request{Plan: i.Plan, Generation: 7})
				if err != nil {
					t.Fatal(err)
				}
				i.Process = p
			}
			o.Inherited = append(o.Inherited, i)
		}
		o.Launcher.(*world).since()
	})
}

func states(t *testing.T, s *stage) map[string]State {
	t.Helper()
	list, err := s.emperor.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]State{}
	for _, r := range list {
		states[r.Name] = r.State
		if r.Generation != 7 {
			t.Errorf("%s is of generation %d, want 7", r.Name, r.Generation)
		}
	}
	return states
}

// The records are there before a monitor has reported anything, and their processes are watched.
func TestInheritedRecordsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inheriting(t, silentMonitor{}, map[string]string{"a.ini": "1", "b.ini": "mute", "h.ini": "1"})
		s.expect(t, "")
		if got := states(t, s); len(got) != 3 || got["a.ini"] != Running || got["b.ini"] != Starting || got["h.ini"] != Idle {
			t.Errorf("the states are %v", got)
		}
		s.alive["a.ini"].end(killed)
		synctest.Wait()
		s.expect(t, "dead a.ini#7 signal: killed, clear a.ini#7")
		s.stop()
	})
}

// The first report is compared with the records: the same file, another one, and none.
func TestMonitorsMeetInheritedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitor.NewStatic("static", monitor.Text("a.ini", "1"), monitor.Text("h.ini", "1"))
		s := inheriting(t, m, map[string]string{"a.ini": "1", "h.ini": "1"})
		s.expect(t, "")
		m.Put(monitor.Text("a.ini", "2"))
		synctest.Wait()
		s.expect(t, "dead a.ini#7 exit status 0, clear a.ini#7, launch a.ini#8 2")
		s.stop()
		s.since()

		s = inheriting(t, monitor.NewStatic("empty"), map[string]string{"gone.ini": "1"})
		s.expect(t, "dead gone.ini#7 exit status 0, clear gone.ini#7")
		s.stop()
	})
}
