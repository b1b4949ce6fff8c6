package emperor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// notes returns the notes since the last call, one a line.
func (s *stage) notes(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	var b strings.Builder
	for {
		select {
		case n := <-s.news:
			if n.Lost > 0 {
				t.Errorf("%d were lost", n.Lost)
			}
			if n.Note != nil {
				fmt.Fprintf(&b, "%s %s#%d %s: %s\n", n.Record.Name, n.To, n.Record.Generation, n.Note.About, n.Note.Text)
			}
		default:
			return b.String()
		}
	}
}

func (s *stage) expectNotes(t *testing.T, want ...string) {
	t.Helper()
	if got := s.notes(t); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("got\n%swant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestNotesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.Compare, o.ReloadTimeout, o.Heartbeat = compareWords, 20*time.Second, time.Minute
			o.Check = func(monitor.Config) (Facts, error) { return Facts{Addresses: []string{":80"}}, nil }
		})
		s.put("a.ini", "1")
		s.say("a.ini", wire.Loyal)
		s.say("a.ini", wire.Loyal)
		s.say("a.ini", wire.Notice{Kind: wire.Status, Text: "3 of 4\nworkers"})
		s.say("a.ini", wire.Notice{Kind: wire.Status, Text: "3 of 4\nworkers"})
		text := "ready"
		s.say("a.ini", Notification{Status: &text})
		s.say("a.ini", wire.Notice{Kind: wire.Fallback, Text: "/safe.ini: no port"})
		if r := s.record(t, "a.ini"); !slices.Equal(r.Addresses, []string{":80"}) {
			t.Errorf("before it is known its addresses are %q", r.Addresses)
		}
		s.say("a.ini", wire.Notice{Kind: wire.Listening, Addresses: []string{":8080", "/s\n"}})
		if r := s.record(t, "a.ini"); !slices.Equal(r.Addresses, []string{":8080", "/s "}) {
			t.Errorf("on its fallback its addresses are %q", r.Addresses)
		}
		s.say("a.ini", wire.Notice{Kind: wire.Fallback})
		if r := s.record(t, "a.ini"); !slices.Equal(r.Addresses, []string{":80"}) {
			t.Errorf("back from it its addresses are %q", r.Addresses)
		}
		s.say("a.ini", wire.Notice{Kind: wire.Workers, Deaths: &wire.Deaths{Recent: 2, Total: 5, Exit: "exit status 7", Next: time.Now().Add(time.Second)}})
		if d := s.record(t, "a.ini").WorkerDeaths; d == nil || d.Recent != 2 || d.Total != 5 {
			t.Errorf("the record has %+v", d)
		}
		s.say("a.ini", wire.Notice{Kind: wire.Workers, Deaths: &wire.Deaths{Total: 5}})
		s.say("a.ini", wire.Notice{Kind: wire.Workers, Deaths: &wire.Deaths{Total: 5}})
		s.say("a.ini", wire.Notice{Kind: wire.Workers})
		s.say("a.ini", wire.Notice{Kind: wire.HookEnded, Hooks: []hooks.Result{
			{Phase: hooks.AsRoot, Index: 2, Text: "exec: exit 9", Exit: "exit status 9", Code: 9, Took: 4 * time.Millisecond},
			{Phase: hooks.AsEmperor, Index: 1, Text: "not its own"},
		}})
		s.expectNotes(t,
			"a.ini running#1 life: loyal", "a.ini running#1 status: 3 of 4 workers", "a.ini running#1 status: ready",
			"a.ini running#1 fallback: it runs on its fallback configuration: /safe.ini: no port",
			"a.ini running#1 fallback: it runs on its own configuration again",
			"a.ini running#1 workers: a worker died: exit status 7; the next one in 1s, deaths in a row: 2",
			"a.ini running#1 workers: the workers have recovered",
			"a.ini running#1 hook: as-root #2 (exec: exit 9) after 4ms: exit status 9")

		s.put("a.ini", "refuse")
		s.monitor.Put(monitor.Config{Name: "a.ini", Err: errors.New("line 1: what?")})
		s.put("a.ini", "2")
		s.put("a.ini", "respawn")
		s.expectNotes(t,
			"a.ini running#1 reload: changed options: static-map", "a.ini running#1 config: it cannot be used: line 1: what?",
			"a.ini running#1 config: it can be used again", "a.ini running#1 reload: changed options: static-map",
			"a.ini running#1 reload: changed options need a new process: uid")

		s.say("a.ini", wire.Heartbeat)
		pass(2 * time.Minute)
		if got := s.notes(t); !strings.Contains(got, "a.ini running#2 life: no heartbeat for 1m0s: it is restarted\na.ini backoff#2 backoff: next launch in 500ms, failures in a row: 1\n") {
			t.Errorf("after the silence:\n%s", got)
		}
		if err := s.operator(t, "a.ini", Stop); err != nil {
			t.Error(err)
		}
		s.expectNotes(t, "a.ini running#3 operator: stop")
		s.stop()
	})
}

// A vassal that sends too many messages loses some, and notes of others remain.
func TestVassalThatTalksTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "1")
		talk := func(n int) int {
			for i := range n {
				s.say("a.ini", wire.Notice{Kind: wire.Status, Text: fmt.Sprint(time.Now().UnixNano(), i)})
			}
			return strings.Count(s.notes(t), "status: ")
		}
		if n := talk(500); n != noteBurst {
			t.Errorf("%d words at once, want %d", n, noteBurst)
		}
		if n := talk(500); n != 0 {
			t.Errorf("%d more", n)
		}
		pass(3 * noteInterval)
		if n := talk(2); n != 2 {
			t.Errorf("%d after a while, want 2", n)
		}
		talk(500)
		pass(time.Hour)
		s.say("a.ini", wire.Notice{Kind: wire.Status, Text: "last"})
		if got := s.notes(t); !strings.Contains(got, "status: last (499 earlier texts are left out)") {
			t.Errorf("after all that: %s", got)
		}
		if r := s.record(t, "a.ini"); r.Status != "last" {
			t.Errorf("its status is %q", r.Status)
		}
		s.stop()
	})
}
