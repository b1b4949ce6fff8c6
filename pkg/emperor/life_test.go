package emperor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// compareWords returns a new process for configurations with that word, and a reload for others.
func compareWords(_, is monitor.Config) Change {
	if strings.Contains(string(is.Data), "respawn") {
		return Change{Respawn: true, Options: []string{"uid"}}
	}
	return Change{Options: []string{"static-map"}}
}

func comparing(o *Options) { o.Compare = compareWords }

func (s *stage) record(t *testing.T, name string) Record {
	t.Helper()
	records, err := s.emperor.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no record of %s", name)
	return Record{}
}

func (s *stage) operator(t *testing.T, name string, verb Verb) error {
	t.Helper()
	_, err := s.emperor.Do(t.Context(), name, verb)
	synctest.Wait()
	return err
}

// say sends a message of the vassal.
func (s *stage) say(name string, m Message) {
	s.mu.Lock()
	f := s.alive[name]
	s.mu.Unlock()
	f.says <- m
	synctest.Wait()
}

func TestReloadClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		s.expect(t, "launch a.ini#1 1")
		pass(time.Second)
		s.put("a.ini", "1") // touched
		s.expect(t, "reload a.ini#1 1")
		s.put("a.ini", "2")
		s.expect(t, "reload a.ini#1 2")
		before := s.record(t, "a.ini")
		if before.State != Running || before.Generation != 1 || before.Reloads != 2 || before.Config != before.WantedConfig {
			t.Errorf("after two reloads: %+v", before)
		}
		s.put("a.ini", "3 respawn")
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 3 respawn")
		if !strings.Contains(s.log.String(), `a.ini: changed options need a new process options=uid`) {
			t.Errorf("the log does not name the option:\n%s", s.log)
		}
		s.stop()
	})
}

func TestRefusedReloadKeepsWhatWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		config := s.record(t, "a.ini").Config
		s.put("a.ini", "refuse")
		pass(time.Hour)
		s.expect(t, "launch a.ini#1 1, reload a.ini#1 refuse")
		r := s.record(t, "a.ini")
		if r.State != Running || r.Config != config || r.ReloadError != "line 2: no" || r.Failures != 0 {
			t.Errorf("got %+v", r)
		}
		s.put("a.ini", "mended")
		s.expect(t, "reload a.ini#1 mended")
		if r := s.record(t, "a.ini"); r.ReloadError != "" || r.Config == config {
			t.Errorf("got %+v", r)
		}
		s.stop()
	})
}

// The log shows whether the old workers have served all along.
func TestFailedReloadTellsHowTheVassalGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		for _, answer := range []struct{ config, text string }{
			{"refuse", "cannot reload; the vassal continues as before"},
			{"undone", "cannot reload; the old configuration was started again"},
			{"refuse it", "cannot reload; the vassal continues as before"},
		} {
			before := len(s.log.String())
			s.put("a.ini", answer.config)
			if said := s.log.String()[before:]; !strings.Contains(said, answer.text+` error="line 2: no"`) {
				t.Errorf("after %q the log says %s", answer.config, said)
			}
		}
		s.stop()
	})
}

// A reload of the vassal's own is reported, but does not hide that an order failed.
func TestReloadOfTheVassalsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		tell := func(kind wire.NoticeKind, text, want string) {
			t.Helper()
			s.say("a.ini", wire.Notice{Kind: kind, Text: text})
			if r := s.record(t, "a.ini"); r.ReloadError != want || r.State != Running {
				t.Errorf("after %s %s: %q in %s, want %q", kind, text, r.ReloadError, r.State, want)
			}
		}
		tell(wire.Failed, "SIGHUP: no", "SIGHUP: no")
		tell(wire.Failed, "SIGHUP: not now", "SIGHUP: not now")
		tell(wire.Ready, "", "")
		s.put("a.ini", "refuse")
		tell(wire.Failed, "SIGHUP: no", "line 2: no")
		tell(wire.Ready, "", "line 2: no")
		s.stop()
	})
}

// A vassal that exits on purpose, as it has announced, restarts at once: but not repeatedly, and
// not when it fails.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "1")
		renew := func(x Exit) {
			s.say("a.ini", wire.Notice{Kind: wire.Renew, Text: "SIGHUP"})
			s.alive["a.ini"].end(x)
			synctest.Wait()
		}
		renew(code(0))
		s.expect(t, "launch a.ini#1 1, dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 1")
		if r := s.record(t, "a.ini"); r.Failures != 0 || r.State != Running {
			t.Errorf("got %+v", r)
		}
		renew(code(0))
		s.expect(t, "dead a.ini#2 exit status 0, clear a.ini#2")
		pass(time.Minute)
		s.expect(t, "launch a.ini#3 1")
		renew(code(1))
		s.expect(t, "dead a.ini#3 exit status 1, clear a.ini#3")
		pass(time.Minute)
		s.alive["a.ini"].end(code(0)) // it has sent nothing
		synctest.Wait()
		s.expect(t, "launch a.ini#4 1, dead a.ini#4 exit status 0, clear a.ini#4")
		s.stop()
	})
}

// The reason of a failed reload is forgotten with its process.
func TestRefusalIsForgottenWithItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		s.put("a.ini", "refuse, sticky")
		s.alive["a.ini"].end(killed)
		synctest.Wait()
		if r := s.record(t, "a.ini"); r.State != Clearing || r.ReloadError != "" || r.Exit != killed.String() {
			t.Errorf("got %+v", r)
		}
		s.stop()
	})
}

func TestReloadThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Compare, o.ReloadTimeout = compareWords, 20*time.Second })
		s.put("a.ini", "1")
		s.put("a.ini", "silent")
		s.put("a.ini", "last") // waits for the end of the reload
		s.expect(t, "launch a.ini#1 1, reload a.ini#1 silent")
		pass(20 * time.Second)
		s.expect(t, "reload a.ini#1 last")
		s.put("b.ini", "1")
		s.put("b.ini", "deaf") // cannot be asked
		s.expect(t, "launch b.ini#1 1, reload b.ini#1 deaf, dead b.ini#1 exit status 0, clear b.ini#1, launch b.ini#2 deaf")
		s.put("c.ini", "1")
		s.put("c.ini", "bytes") // answers as uWSGI does
		if r := s.record(t, "c.ini"); r.State != Running || r.Reloads != 1 {
			t.Errorf("got %+v", r)
		}
		s.stop()
	})
}

func TestTouchWhileStartingIsNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "mute")
		pass(time.Second)
		s.put("a.ini", "mute")
		s.expect(t, "launch a.ini#1 mute")
		s.put("a.ini", "well")
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 well")
		s.stop()
	})
}

// An answer that comes after the emperor has given up still counts.
func TestLateAnswerOfAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Compare, o.ReloadTimeout = compareWords, time.Second })
		s.put("a.ini", "1")
		s.put("a.ini", "silent")
		pass(2 * time.Second)
		r := s.record(t, "a.ini")
		if r.State != Running || r.ReloadError != errNoAnswer.Error() || r.Config == r.WantedConfig {
			t.Errorf("given up: %+v", r)
		}
		s.say("a.ini", wire.Notice{Serial: r.Serial, Kind: wire.Ready})
		if r := s.record(t, "a.ini"); r.ReloadError != "" || r.Config != r.WantedConfig || r.Reloads != 1 {
			t.Errorf("answered: %+v", r)
		}
		s.stop()
	})
}

func TestReloadAllIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.ReloadTimeout = time.Second })
		for i := range 5 {
			s.put(fmt.Sprintf("%d.ini", i), "silent")
		}
		s.since()
		if err := s.emperor.DoAll(t.Context(), ReloadAll); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := strings.Count(s.since(), "reload"); n != 2 {
			t.Errorf("%d reload at a time, want 2", n)
		}
		pass(3 * time.Second)
		if n := strings.Count(s.since(), "reload"); n != 3 {
			t.Errorf("%d more have reloaded, want 3", n)
		}
		s.stop()
	})
}

func TestOperatorStopsAndStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		s.operator(t, "a.ini", Stop)
		s.put("a.ini", "2") // changes nothing of that
		pass(time.Hour)
		s.expect(t, "launch a.ini#1 1, dead a.ini#1 exit status 0, clear a.ini#1")
		if r := s.record(t, "a.ini"); r.State != Idle || r.Desired != Held || r.Why != "stopped by the operator" {
			t.Errorf("got %+v", r)
		}
		if err := s.operator(t, "a.ini", Reload); err == nil {
			t.Error("a stopped vassal reloads")
		}
		s.operator(t, "a.ini", Start)
		s.expect(t, "launch a.ini#2 2")
		s.operator(t, "a.ini", Restart)
		s.expect(t, "dead a.ini#2 exit status 0, clear a.ini#2, launch a.ini#3 2")
		s.operator(t, "a.ini", Reload)
		s.expect(t, "reload a.ini#3 2")
		s.operator(t, "a.ini", Stop)
		s.remove("a.ini")
		if err := s.operator(t, "a.ini", Start); !errors.As(err, &UnknownError{}) {
			t.Errorf("an unknown vassal: %v", err)
		}
		s.stop()
	})
}

// With a mistake in the configuration, a new process would have the previous configuration:
// restart reports it, and the vassal continues, as with reload.
func TestRestartWithAFaultyConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "1")
		bad := monitor.Config{Name: "a.ini", Err: errors.New("line 1: what?")}
		s.monitor.Put(bad)
		synctest.Wait()
		s.since()
		for _, verb := range []Verb{Restart, Reload} {
			if err := s.operator(t, "a.ini", verb); err == nil || err.Error() != "its configuration cannot be used: line 1: what?" {
				t.Errorf("%s: %v", verb, err)
			}
		}
		s.expect(t, "")
		bad.Name = "b.ini"
		s.monitor.Put(bad)
		synctest.Wait()
		for _, verb := range []Verb{Restart, Start} {
			if err := s.operator(t, "b.ini", verb); err == nil || err.Error() != "its configuration cannot be used: line 1: what?" {
				t.Errorf("%s of what has never run: %v", verb, err)
			}
		}
		s.put("a.ini", "2")
		if err := s.operator(t, "a.ini", Restart); err != nil {
			t.Error(err)
		}
		s.stop()
	})
}

// With a fallback, a new process gets the file with the mistake.
func TestRestartOfAFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.Check = func(monitor.Config) (Facts, error) { return Facts{Fallback: true}, errors.New("wrong") }
		})
		s.put("a.ini", "1")
		s.since()
		if err := s.operator(t, "a.ini", Restart); err != nil {
			t.Error(err)
		}
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 1")
		s.stop()
	})
}

func TestStartAndResetEndABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, verb := range []Verb{Start, Reset, Restart} {
			s := play(t, nil)
			s.put("a.ini", "crash")
			pass(10 * time.Second)
			s.since()
			s.operator(t, "a.ini", verb)
			if h := s.since(); !strings.HasPrefix(h, "launch a.ini#") {
				t.Errorf("%s: %s", verb, h)
			}
			if r := s.record(t, "a.ini"); r.Failures != 1 || r.PauseUntil.IsZero() {
				t.Errorf("%s: %+v", verb, r)
			}
			s.stop()
		}
	})
}

func TestSuspendedUntilStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Suspend = func(name string) bool { return name != "b.ini" } })
		s.put("a.ini", "1")
		s.put("b.ini", "1")
		s.expect(t, "launch b.ini#1 1")
		s.operator(t, "a.ini", Start)
		s.expect(t, "launch a.ini#1 1")
		s.stop()
	})
}

func TestVassalsThatRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Backoff.Limit = 3 })
		s.put("exile.ini", "exile")
		s.put("spent.ini", "crash")
		s.put("leaves.ini", "1")
		s.say("leaves.ini", wire.Withdraw)
		pass(time.Hour)
		for name, want := range map[string]string{
			"exile.ini": "it asked to be left alone until its file changes", "spent.ini": "it failed too often", "leaves.ini": "it stopped by itself",
		} {
			if r := s.record(t, name); r.State != Idle || r.Why != want {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if n := strings.Count(s.since(), "launch spent.ini"); n != 4 {
			t.Errorf("%d launches, want 4", n)
		}
		s.put("exile.ini", "2")
		s.operator(t, "spent.ini", Start)
		s.operator(t, "leaves.ini", Start)
		h := s.since()
		for _, want := range []string{"launch exile.ini#2 2", "launch spent.ini#5", "launch leaves.ini#2"} {
			if !strings.Contains(h, want) {
				t.Errorf("no %s in %s", want, h)
			}
		}
		s.stop()
	})
}

func TestWhatAVassalSaysOfItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		text := "at work"
		for _, tt := range []struct {
			says          Notification
			phase, status string
		}{
			{Notification{Status: &text}, "", text},
			{Notification{Reloading: true}, "reloading", text},
			{Notification{Ready: true}, "", text},
			{Notification{Stopping: true}, "stopping", text},
		} {
			s.say("a.ini", tt.says)
			if r := s.record(t, "a.ini"); r.State != Running || r.Phase != tt.phase || r.Status != tt.status {
				t.Errorf("%+v: %s, phase %q, status %q", tt.says, r.State, r.Phase, r.Status)
			}
		}
		s.operator(t, "a.ini", Restart)
		if r := s.record(t, "a.ini"); r.Phase != "" || r.Status != "" {
			t.Errorf("a new process says %q, %q", r.Phase, r.Status)
		}
		s.stop()
	})
}

func TestSilenceAfterHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Heartbeat = 30 * time.Second })
		s.put("a.ini", "1")
		s.put("never.ini", "1") // sends no heartbeats
		for range 10 {
			s.say("a.ini", wire.Heartbeat)
			pass(29 * time.Second)
		}
		s.expect(t, "launch a.ini#1 1, launch never.ini#1 1")
		pass(time.Second)
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1") // asked, not killed
		pass(time.Second)
		s.expect(t, "launch a.ini#2 1")
		s.say("a.ini", Notification{Watchdog: true})
		pass(30 * time.Second)
		s.expect(t, "dead a.ini#2 exit status 0, clear a.ini#2")
		s.stop()
	})
}

func TestCursedVassalIsKilledAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.CurseTolerance = 30 * time.Second })
		s.put("a.ini", "stubborn")
		s.say("a.ini", Closed{})
		pass(29 * time.Second)
		s.expect(t, "launch a.ini#1 stubborn")
		pass(time.Second)
		s.expect(t, "dead a.ini#1 signal: killed, clear a.ini#1")
		pass(time.Second)
		s.expect(t, "launch a.ini#2 stubborn")
		s.stop()
	})
}

func TestZergsComeAndGoWithTheirVassal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Broodlord = 2 })
		s.put("a.ini", "1")
		for range 5 {
			s.say("a.ini", wire.Reinforce)
		}
		s.expect(t, "launch a.ini#1 1, launch a.ini:zerg#1 1, launch a.ini:zerg2#1 1")
		if r := s.record(t, "a.ini:zerg2"); r.Parent != "a.ini" || r.State != Running {
			t.Errorf("got %+v", r)
		}
		s.operator(t, "a.ini", Stop)
		records, _ := s.emperor.Records(t.Context())
		if len(records) != 1 {
			t.Errorf("%d records are left: %+v", len(records), records)
		}
		s.stop()
	})
}

// A transition carries the record after the transition: a reader that waits for the end of an
// operation reads its result there.
func TestRecordsOfTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Compare, o.ReloadTimeout = compareWords, time.Second })
		_, transitions, err := s.emperor.Transitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := func(to State) Record {
			t.Helper()
			for tr := range transitions {
				if tr.To == to {
					return tr.Record
				}
			}
			t.Fatal("the emperor has ended")
			return Record{}
		}
		s.put("a.ini", "1")
		first := next(Running)
		if r := first; r.Generation != 1 || r.Serial != 1 || r.Config == "" || r.Config != r.WantedConfig {
			t.Errorf("first: %+v", r)
		}
		s.put("a.ini", "2")
		if r := next(Reloading); r.Serial != 2 || r.Reloads != 0 || r.Config != first.Config || r.WantedConfig == first.Config {
			t.Errorf("reloading: %+v", r)
		}
		if r := next(Running); r.Serial != 2 || r.Reloads != 1 || r.Config != r.WantedConfig || r.Generation != 1 || r.Reloaded.IsZero() {
			t.Errorf("reloaded: %+v", r)
		}
		before := s.record(t, "a.ini").Config
		s.put("a.ini", "silent")
		pass(time.Second)
		if r := next(Running); r.ReloadError != errNoAnswer.Error() || r.Config == r.WantedConfig {
			t.Errorf("not answered: %+v", r)
		}
		s.put("a.ini", "refuse")
		if r := next(Reloading); r.ReloadError != "" {
			t.Errorf("the error of the last reload is told of the next: %+v", r)
		}
		if r := next(Running); r.ReloadError != "line 2: no" || r.Reloads != 1 {
			t.Errorf("refused: %+v", r)
		}
		s.put("a.ini", "respawn crash")
		if r := next(Launching); r.Generation != 2 || r.Serial != 1 || r.Reloads != 0 || r.Launches != 2 {
			t.Errorf("launching: %+v", r)
		}
		if r := next(Clearing); r.Failures != 1 || r.Exit != "exit status 1" {
			t.Errorf("dead: %+v", r)
		}
		if r := next(Reverting); !strings.Contains(r.ReloadError, "did not become ready: exit status 1; the configuration before it runs") || r.Failures != 0 {
			t.Errorf("reverting: %+v", r)
		}
		if r := next(Running); r.Config != before || r.ReloadError == "" {
			t.Errorf("reverted: %+v", r)
		}
		s.put("b.ini", "crash")
		if r := next(BackingOff); !r.PauseUntil.Equal(time.Now().Add(500 * time.Millisecond)) {
			t.Errorf("waiting: %+v", r)
		}
		s.stop()
	})
}

func TestZergsThatFailAreHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) { o.Broodlord = 2 })
		s.put("a.ini", "1")
		cry := func(d time.Duration) (launches int) {
			for range int(d / (50 * time.Millisecond)) {
				s.say("a.ini", wire.Reinforce)
				s.mu.Lock()
				for name, f := range s.alive {
					if name != "a.ini" {
						f.end(code(1))
					}
				}
				s.mu.Unlock()
				pass(50 * time.Millisecond)
			}
			return strings.Count(s.since(), "launch a.ini:zerg")
		}
		if n := cry(16 * time.Second); n != 6 { // after 0, 0.5, 1.5, 3.5, 7.5 and 15.5 seconds
			t.Errorf("%d zergs in 16 seconds, want 6", n)
		}
		pass(time.Minute)
		s.say("a.ini", wire.Reinforce)
		pass(time.Minute)
		s.alive["a.ini:zerg"].end(code(0)) // a death after a long life is a failure as well
		pass(time.Second)
		s.operator(t, "a.ini", Reset)
		s.since()
		s.say("a.ini", wire.Reinforce)
		s.expect(t, "launch a.ini:zerg#1 1")
		s.stop()
	})
}

func TestTransitionsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "1")
		ctx, cancel := context.WithCancel(t.Context())
		records, transitions, err := s.emperor.Transitions(ctx)
		if err != nil || len(records) != 1 || records[0].State != Running {
			t.Fatalf("got %+v, %v", records, err)
		}
		s.remove("a.ini")
		var steps []string
		for range 4 {
			tr := <-transitions
			steps = append(steps, string(tr.From)+">"+string(tr.To))
		}
		if got := strings.Join(steps, " "); got != "running>stopping stopping>clearing clearing>settled settled>gone" {
			t.Errorf("got %s", got)
		}
		for range backlog { // no reader
			s.put("b.ini", "1")
			s.remove("b.ini")
		}
		cancel()
		synctest.Wait()
		n := 0
		for range transitions {
			n++
		}
		if n != backlog {
			t.Errorf("%d were kept, want %d", n, backlog)
		}
		s.stop()
		if _, err := s.emperor.Records(t.Context()); !errors.Is(err, ErrEnded) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// doorbell is a fake Activator: vassals whose configuration contains "demand" have a socket,
// "unbound" cannot have one.
type doorbell struct {
	mu    sync.Mutex
	bells map[string]*bell
}

type bell struct {
	*doorbell
	name string
	ring chan struct{} // holds a waiting connection
	lost bool
}

func (d *doorbell) Activate(_ context.Context, p Plan) (Activation, error) {
	switch does := string(p.Data); {
	case strings.Contains(does, "unbound"):
		return nil, errors.New("address already in use")
	case !strings.Contains(does, "demand"):
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &bell{d, p.Name, make(chan struct{}, 1), false}
	d.bells[p.Name] = b
	return b, nil
}

func (b *bell) String() string               { return "/run/" + b.name }
func (b *bell) Conflicts(address.Place) bool { return false }
func (b *bell) Socket() *os.File             { return os.Stdin }

func (b *bell) Lost(context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// lose removes the socket's path.
func (d *doorbell) lose(name string) *bell {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bells[name].lost = true
	return d.bells[name]
}

func (b *bell) Wait(ctx context.Context) error {
	select {
	case c := <-b.ring:
		b.ring <- c // the vassal has not accepted it
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *bell) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bells, b.name)
	return nil
}

func TestOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doorbell{bells: map[string]*bell{}}
		s := play(t, func(o *Options) { o.Activator, o.Compare = d, compareWords })
		s.put("always.ini", "1")
		s.expect(t, "launch always.ini#1 1")
		s.put("a.ini", "demand")
		pass(time.Hour)
		s.expect(t, "")
		if r := s.record(t, "a.ini"); r.State != Waiting || r.Address != "/run/a.ini" {
			t.Errorf("got %+v", r)
		}
		ring := d.bells["a.ini"].ring
		ring <- struct{}{}
		synctest.Wait()
		s.expect(t, "launch a.ini#1 demand")
		<-ring                           // accepted
		s.say("a.ini", wire.Withdraw)    // idle
		s.put("a.ini", "demand changed") // while it waits
		pass(time.Hour)
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1")
		ring <- struct{}{}
		synctest.Wait()
		s.expect(t, "launch a.ini#2 demand changed")
		pass(proof)
		s.alive["a.ini"].end(killed) // a crash keeps the socket, and its queue
		pass(time.Second)
		s.expect(t, "dead a.ini#2 signal: killed, clear a.ini#2, launch a.ini#3 demand changed")
		if d.bells["a.ini"].ring != ring {
			t.Error("the crash cost the socket")
		}
		s.remove("a.ini")
		s.put("c.ini", "unbound")
		pass(time.Second)
		s.put("c.ini", "demand")
		if r := s.record(t, "c.ini"); r.State != Waiting {
			t.Errorf("got %+v", r)
		}
		s.stop()
		if len(d.bells) != 0 {
			t.Errorf("sockets are left: %v", d.bells)
		}
	})
}

// A socket whose path was removed is made again. A process that has it is replaced.
func TestOnDemandSocketIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doorbell{bells: map[string]*bell{}}
		s := play(t, func(o *Options) { o.Activator = d })
		restore := func() {
			if err := s.emperor.Restore(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		s.put("a.ini", "demand")
		restore()
		lost := d.lose("a.ini")
		restore()
		if d.bells["a.ini"] == lost || s.record(t, "a.ini").State != Waiting {
			t.Error("the socket is not made again")
		}
		d.bells["a.ini"].ring <- struct{}{}
		synctest.Wait()
		<-d.bells["a.ini"].ring
		s.expect(t, "launch a.ini#1 demand")
		restore()
		s.expect(t, "")
		lost = d.lose("a.ini")
		s.say("a.ini", wire.Withdraw) // it leaves at the same time
		restore()
		pass(time.Second)
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1")
		restore()
		if d.bells["a.ini"] == lost {
			t.Error("the socket is not made again after the process left")
		}
		d.bells["a.ini"].ring <- struct{}{}
		synctest.Wait()
		<-d.bells["a.ini"].ring
		s.expect(t, "launch a.ini#2 demand")
		lost = d.lose("a.ini")
		restore()
		pass(time.Second)
		s.expect(t, "dead a.ini#2 exit status 0, clear a.ini#2")
		if r := s.record(t, "a.ini"); d.bells["a.ini"] == lost || r.State != Waiting || r.Failures != 0 {
			t.Errorf("the socket is not made again after the process was stopped: %+v", r)
		}
		s.stop()
		if len(d.bells) != 0 {
			t.Errorf("sockets are left: %v", d.bells)
		}
	})
}

func TestOnDemandThatLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doorbell{bells: map[string]*bell{}}
		s := play(t, func(o *Options) { o.Activator = d })
		s.put("a.ini", "demand")
		ring := d.bells["a.ini"].ring
		ring <- struct{}{} // never accepted
		synctest.Wait()
		leave := func() {
			if s.record(t, "a.ini").State == Running {
				s.say("a.ini", wire.Withdraw)
			}
		}
		for range 160 {
			leave()
			pass(100 * time.Millisecond)
		}
		if n := strings.Count(s.since(), "launch"); n != 6 {
			t.Errorf("%d launches in 16 seconds, want 6", n)
		}
		if r := s.record(t, "a.ini"); r.State != BackingOff || r.Failures != 6 {
			t.Errorf("got %+v", r)
		}
		pass(16 * time.Second)
		<-ring // served, and it takes its time
		pass(time.Second)
		s.since()
		for range 3 {
			leave()
			ring <- struct{}{}
			pass(time.Second)
			<-ring
		}
		if h := s.since(); strings.Count(h, "launch") != 3 {
			t.Errorf("one that serves is held back: %s", h)
		}
		if r := s.record(t, "a.ini"); r.Failures != 0 {
			t.Errorf("its failures are not forgotten: %+v", r)
		}
		s.stop()
	})
}

func TestFirstOfTwoGoesAndTheSecondTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := monitor.NewStatic("second")
		s := play(t, func(o *Options) { o.Monitors = append(o.Monitors, second) })
		s.put("a.ini", "1")
		second.Put(monitor.Text("a.ini", "2"))
		synctest.Wait()
		s.remove("a.ini")
		s.expect(t, "launch a.ini#1 1, dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#1 2")
		s.stop()
	})
}

// tardy is a monitor whose first report is late.
type tardy struct {
	set  monitor.Set
	look chan struct{}
}

func (m tardy) String() string { return "tardy" }

func (m tardy) Run(ctx context.Context, report func(monitor.Set)) error {
	<-m.look
	report(m.set)
	<-ctx.Done()
	return nil
}

// Of two files with one name, the file of the first running monitor is used, even when the
// second has reported earlier.
func TestFirstMonitorWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := tardy{monitor.Set{monitor.Text("a.ini", "1")}, make(chan struct{})}, monitor.NewStatic("second")
		s := play(t, func(o *Options) { o.Monitors = []monitor.Monitor{first, second} })
		second.Put(monitor.Text("a.ini", "2"))
		second.Put(monitor.Text("b.ini", "2"))
		second.Put(monitor.Text("b.ini", "3"))
		synctest.Wait()
		s.expect(t, "")
		close(first.look)
		synctest.Wait()
		if h := s.since(); !strings.Contains(h, "launch a.ini#1 1") || !strings.Contains(h, "launch b.ini#1 3") || strings.Count(h, "launch") != 2 {
			t.Errorf("got %s", h)
		}
		s.stop()
	})
}

// A file with a mistake that names a fallback is used when nothing runs, also when it was no
// better before.
func TestFallbackThatIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.Check = func(monitor.Config) (Facts, error) { return Facts{Fallback: true}, errors.New("wrong") }
		})
		s.put("a.ini", "crash")
		s.since()
		s.put("a.ini", "better")
		s.expect(t, "launch a.ini#2 better")
		s.put("a.ini", "worse")
		s.expect(t, "")
		s.stop()
	})
}
