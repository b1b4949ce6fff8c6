package emperor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

func TestChurnNext(t *testing.T) {
	const longest = 30 * time.Second
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		c       churn
		longest time.Duration
		want    time.Duration
	}{
		{"the first change", churn{}, longest, time.Second},
		{"a change after the pause", churn{start.Add(-5 * time.Second), 4 * time.Second, false, false}, longest, 4 * time.Second},
		{"a change within the pause", churn{start.Add(-4 * time.Second), 4 * time.Second, true, false}, longest, 8 * time.Second},
		{"the pause has an end", churn{start.Add(-16 * time.Second), 16 * time.Second, true, false}, longest, longest},
		{"and stays there", churn{start.Add(-30 * time.Second), longest, true, false}, longest, longest},
		{"a minute of quiet", churn{start.Add(-time.Minute), longest, false, false}, longest, time.Second},
		{"a shorter end", churn{}, time.Millisecond, time.Millisecond},
		{"no pause at all", churn{start, 0, true, false}, 0, 0},
	} {
		got := tt.c.next(start, tt.longest)
		if want := (churn{start, tt.want, false, false}); got != want {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
		if until := got.until(); !until.Equal(start.Add(tt.want)) || got.tooSoon(until) || tt.want > 0 && !got.tooSoon(start) {
			t.Errorf("%s: it waits until %v", tt.name, until)
		}
	}
}

// slowed sets pauses, and changes that the running vassal takes over unless they contain
// "respawn".
func slowed(o *Options) {
	o.ChangePause = 30 * time.Second
	o.Compare = func(_, is monitor.Config) Change {
		return Change{Respawn: strings.Contains(string(is.Data), "respawn"), Options: []string{"x"}}
	}
}

// flood calls change 50 times a second and returns the seconds of the events that contain
// word.
func (s *stage) flood(d time.Duration, word string, change func(n int)) string {
	s.since()
	var at []int
	start := time.Now()
	for n := range int(d / (20 * time.Millisecond)) {
		change(n)
		for range strings.Count(s.since(), word) {
			at = append(at, int(time.Since(start).Round(time.Second).Seconds()))
		}
		pass(20 * time.Millisecond)
	}
	s.since()
	return fmt.Sprint(at)
}

const growing = "[0 1 3 7 15 31 61 91]"

// A file that changes without end gets new processes in growing intervals. The running process
// continues in the meantime, and the last change counts.
func TestChangesThatTakeANewProcessAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, slowed)
		s.put("a.ini", "first")
		if at := s.flood(100*time.Second, "launch ", func(n int) { s.put("a.ini", fmt.Sprint("respawn ", n)) }); at != growing {
			t.Errorf("launched after %s seconds", at)
		}
		r := s.record(t, "a.ini")
		if r.State != Running || r.Why != "its file changes too often" || !r.PauseUntil.After(time.Now()) {
			t.Errorf("%+v", r)
		}
		if got := strings.Count(s.log.String(), "its file changes too often: the new process waits"); got != 8 {
			t.Errorf("the log says it %d times:\n%s", got, s.log)
		}
		s.put("a.ini", "respawn last")
		s.expect(t, "")
		pass(30 * time.Second)
		s.expect(t, "dead a.ini#9 exit status 0, clear a.ini#9, launch a.ini#10 respawn last")
		if r := s.record(t, "a.ini"); r.Why != "" || !r.PauseUntil.IsZero() {
			t.Errorf("%+v", r)
		}
		pass(time.Minute)
		if at := s.flood(10*time.Second, "launch ", func(n int) { s.put("a.ini", fmt.Sprint("respawn ", n)) }); at != "[0 1 3 7]" {
			t.Errorf("after a minute of quiet launched after %s seconds", at)
		}
		s.stop()
	})
}

// Edits after the pause never wait.
func TestChangesNowAndThenAreNotSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, slowed)
		s.put("a.ini", "0")
		for n := range 20 {
			pass(1001 * time.Millisecond)
			s.since()
			s.put("a.ini", fmt.Sprint("respawn ", n))
			s.expect(t, fmt.Sprintf("dead a.ini#%d exit status 0, clear a.ini#%d, launch a.ini#%d respawn %d", n+1, n+1, n+2, n))
		}
		s.stop()
	})
}

// A change that the running vassal takes over never waits, also after changes that did. A
// change that it cannot take over, or be asked to, needs a new process.
func TestReloadsAreNotSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, slowed)
		s.put("a.ini", "0")
		s.put("a.ini", "respawn")
		s.since()
		for n := range 50 {
			s.put("a.ini", fmt.Sprint("mild ", n))
			s.expect(t, fmt.Sprintf("reload a.ini#2 mild %d", n))
		}
		pass(2 * time.Minute)
		if at := s.flood(40*time.Second, "launch ", func(n int) { s.put("a.ini", fmt.Sprint("deaf ", n)) }); at != "[0 1 3 7 15 31]" {
			t.Errorf("a deaf one was launched after %s seconds", at)
		}
		s.stop()
	})
}

func TestOperatorsDoNotWaitForChanges(t *testing.T) {
	for _, tt := range []struct {
		verb Verb
		want string
	}{
		{Restart, "dead a.ini#2 exit status 0, clear a.ini#2, launch a.ini#3 respawn 2"},
		{Start, "dead a.ini#2 exit status 0, clear a.ini#2, launch a.ini#3 respawn 2"},
		{Reload, "dead a.ini#2 exit status 0, clear a.ini#2, launch a.ini#3 respawn 2"},
		{Stop, "dead a.ini#2 exit status 0, clear a.ini#2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, slowed)
			s.put("a.ini", "0")
			s.put("a.ini", "respawn 1")
			s.put("a.ini", "respawn 2")
			s.since()
			if err := s.operator(t, "a.ini", tt.verb); err != nil {
				t.Error(err)
			}
			s.expect(t, tt.want)
			s.stop()
		})
	}
}

// A vassal that dies at once and changes without end is not launched more often, and changes
// do not end its backoff early.
func TestChangesOfAVassalThatDiesAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, slowed)
		s.put("a.ini", "crash")
		at := s.flood(100*time.Second, "launch ", func(n int) { s.put("a.ini", fmt.Sprint("crash ", n)) })
		if at != growing {
			t.Errorf("launched after %s seconds", at)
		}
		r := s.record(t, "a.ini")
		if r.State != Throttled || r.Why != "its file changes too often" || !r.PauseUntil.After(time.Now()) {
			t.Errorf("%+v", r)
		}
		if !strings.Contains(s.log.String(), "its file changes too often: waiting before the next launch wait=") {
			t.Errorf("the log does not say it:\n%s", s.log)
		}
		if err := s.operator(t, "a.ini", Start); err != nil {
			t.Error(err)
		}
		if got := s.since(); !strings.HasPrefix(got, "launch a.ini#") {
			t.Errorf("the operator waits: %s", got)
		}
		s.stop()
	})
}

// A change ends a backoff, when it may.
func TestChangeEndsALongBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			slowed(o)
			o.Backoff.Initial, o.Backoff.Max = time.Hour, time.Hour
		})
		s.put("a.ini", "crash")
		for n := range 3 {
			s.put("a.ini", fmt.Sprint("crash ", n))
		}
		s.expect(t, "launch a.ini#1 crash, dead a.ini#1 exit status 1, clear a.ini#1, "+
			"launch a.ini#2 crash 0, dead a.ini#2 exit status 1, clear a.ini#2")
		if r := s.record(t, "a.ini"); r.State != BackingOff || time.Until(r.PauseUntil) != time.Second {
			t.Errorf("%+v", r)
		}
		pass(time.Second)
		s.expect(t, "launch a.ini#3 crash 2, dead a.ini#3 exit status 1, clear a.ini#3")
		if r := s.record(t, "a.ini"); r.State != BackingOff || time.Until(r.PauseUntil) != time.Hour || r.Failures != 1 {
			t.Errorf("%+v", r)
		}
		s.stop()
	})
}

// A vassal whose file is removed and added repeatedly is not new each time.
func TestFileThatComesAndGoesIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, slowed)
		s.put("a.ini", "0")
		at := s.flood(100*time.Second, "launch ", func(int) { s.remove("a.ini"); s.put("a.ini", "0") })
		if at != growing {
			t.Errorf("launched after %s seconds", at)
		}
		s.remove("a.ini")
		s.expect(t, "")
		pass(time.Minute)
		s.put("a.ini", "1")
		s.remove("a.ini")
		s.put("b.ini", "1")
		if got := s.since(); !strings.HasPrefix(got, "launch a.ini#1 1, ") || !strings.HasSuffix(got, "launch b.ini#1 1") {
			t.Error(got)
		}
		pass(time.Minute)
		s.remove("b.ini")
		if n := len(s.emperor.vassals.gone); n != 1 {
			t.Errorf("%d vassals that are gone are remembered", n)
		}
		s.stop()
	})
}

// attendant records its calls.
type attendant struct{ *world }

func (a attendant) Waiting(_ context.Context, r Request) { a.note("waiting %s", r.Name) }
func (a attendant) Changed(_ context.Context, r Request) { a.note("changed %s", r.Data) }

// The hooks of a vassal that waits for a connection do not run at each change.
func TestChangesOfAWaitingVassalAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doorbell{bells: map[string]*bell{}}
		s := play(t, func(o *Options) {
			slowed(o)
			o.Activator, o.WaitObserver = d, attendant{o.Launcher.(*world)}
		})
		s.put("a.ini", "demand")
		if at := s.flood(100*time.Second, "changed ", func(n int) { s.put("a.ini", fmt.Sprint("demand ", n)) }); at != growing {
			t.Errorf("its hooks ran after %s seconds", at)
		}
		d.bells["a.ini"].ring <- struct{}{}
		synctest.Wait()
		s.expect(t, "launch a.ini#1 demand 4999") // the newest
		s.stop()
	})
}

// A change while the vassal boots with an older file waits as well, and is not forgotten when
// the boot fails.
func TestChangeWhileItBootsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, slowed)
		s.put("a.ini", "0")
		s.put("a.ini", "respawn mute 1")
		s.put("a.ini", "respawn mute 2")
		s.expect(t, "launch a.ini#1 0, dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 respawn mute 1")
		pass(time.Second)
		s.expect(t, "dead a.ini#2 exit status 0, clear a.ini#2, launch a.ini#3 respawn mute 2")
		pass(time.Minute)
		s.expect(t, "")
		s.stop()
	})
}

// An operator's restart ends a wait and not the growth of the pause: a program that changes
// the file all the time is not tamer for it.
func TestOperatorsDoNotForgiveChanges(t *testing.T) {
	for verb, want := range map[Verb]time.Duration{Restart: 8 * time.Second, Start: 8 * time.Second, Reset: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, slowed)
			s.put("a.ini", "0")
			change := 0
			next := func() {
				change++
				s.put("a.ini", fmt.Sprintf("respawn %d", change))
			}
			for range 8 { // taken after 0, 1 and 3 s
				next()
				pass(time.Second / 2)
			}
			next() // waits until 7 s
			s.since()
			if err := s.operator(t, "a.ini", verb); err != nil {
				t.Error(err)
			}
			s.expect(t, "dead a.ini#4 exit status 0, clear a.ini#4, launch a.ini#5 respawn 9")
			begun := time.Now()
			for s.since() == "" {
				next()
				pass(time.Second / 2)
			}
			if took := time.Since(begun); took < want || took > want+time.Second {
				t.Errorf("after %s the next change waits %v, want %v", verb, took, want)
			}
			s.stop()
		})
	}
}
