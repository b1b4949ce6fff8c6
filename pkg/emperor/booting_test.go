package emperor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// The wait of a booting vassal is known until it accepts, and forgotten then.
func TestWhatAVassalWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "mute")
		hook := hooks.Result{Phase: hooks.AsRoot, Index: 1, Text: "exec: true"}
		for _, tt := range []struct {
			says Message
			want string
		}{
			{wire.Notice{Kind: wire.Booting, Text: "interface eth0\x1b"}, "interface eth0 "},
			{wire.Notice{Kind: wire.HookEnded, Hooks: []hooks.Result{hook}}, "interface eth0 "},
			{wire.Notice{Kind: wire.Booting, Text: "hook as-root #1 (exec: true)"}, "hook as-root #1 (exec: true)"},
			{wire.Notice{Kind: wire.HookEnded, Hooks: []hooks.Result{hook}}, ""},
			{wire.Notice{Kind: wire.Exec, Probe: &wire.Probe{Kind: "http", Address: []byte("127.0.0.1:80"), Path: []byte("/up")}}, "ready-probe http 127.0.0.1:80/up"},
			{wire.Accepting, ""},
		} {
			s.say("a.ini", tt.says)
			if r := s.record(t, "a.ini"); r.WaitsFor != tt.want {
				t.Errorf("after %+v it waits for %q, want %q", tt.says, r.WaitsFor, tt.want)
			}
		}
		s.stop()
	})
}

// A second stop kills a booting vassal at once, and shortens the mercy of no vassal that has
// served.
func TestSecondStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		stop := func() State {
			t.Helper()
			r, err := s.emperor.Do(t.Context(), "a.ini", Stop)
			if err != nil {
				t.Fatal(err)
			}
			return r.State
		}
		s.put("a.ini", "mute stubborn")
		if first, second := stop(), stop(); first != Stopping || second != Killing {
			t.Errorf("one that boots is %s, then %s", first, second)
		}
		synctest.Wait()
		if r := s.record(t, "a.ini"); r.State != Idle || r.Exit != "signal: killed" {
			t.Errorf("it is %s: %s", r.State, r.Exit)
		}
		s.put("a.ini", "stubborn")
		s.operator(t, "a.ini", Start)
		if r := s.record(t, "a.ini"); r.State != Running {
			t.Fatalf("it is %s", r.State)
		}
		if first, second := stop(), stop(); first != Stopping || second != Stopping {
			t.Errorf("one that has served is %s, then %s", first, second)
		}
		pass(time.Minute)
		s.stop()
		if n := strings.Count(s.log.String(), "did not end in time"); n != 2 {
			t.Errorf("%d kills", n)
		}
	})
}
