package emperor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// expectReverted checks that a vassal runs config, and reports why it does not run its file.
func (s *stage) expectReverted(t *testing.T, config, why string) {
	t.Helper()
	r := s.record(t, "a.ini")
	if r.State != Running || r.Config != config || r.WantedConfig == config || r.Failures != 0 || r.LaunchError != "" {
		t.Errorf("it does not run the old configuration: %+v", r)
	}
	if !strings.HasPrefix(r.ReloadError, "the edit at ") || !strings.HasSuffix(r.ReloadError, " did not become ready: "+why+"; the configuration before it runs") {
		t.Errorf("the reason is %q", r.ReloadError)
	}
}

// An edit that needs a new process and does not become ready gives way to the configuration
// before it, at once and until the next edit.
func TestEditsThatDoNotBecomeReadyAreUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		pass(time.Minute)
		config := s.record(t, "a.ini").Config
		s.since()
		s.put("a.ini", "respawn crash")
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 respawn crash, dead a.ini#2 exit status 1, clear a.ini#2, launch a.ini#3 1")
		s.expectReverted(t, config, "exit status 1")
		if !strings.Contains(s.log.String(), `cannot take the edit over; starting the configuration before it again error="the edit at `) {
			t.Errorf("the log does not tell:\n%s", s.log)
		}
		pass(time.Hour)
		s.expect(t, "")

		// A crash of the old configuration does not try the file again.
		s.alive["a.ini"].end(killed)
		pass(time.Minute)
		s.expect(t, "dead a.ini#3 signal: killed, clear a.ini#3, launch a.ini#4 1")
		s.expectReverted(t, config, "exit status 1")

		s.put("a.ini", "respawn no-launch")
		s.expect(t, "dead a.ini#4 exit status 0, clear a.ini#4, launch a.ini#5 respawn no-launch, launch a.ini#6 1")
		s.expectReverted(t, config, "no such program")

		pass(time.Minute)
		s.put("a.ini", "respawn mended")
		s.expect(t, "dead a.ini#6 exit status 0, clear a.ini#6, launch a.ini#7 respawn mended")
		if r := s.record(t, "a.ini"); r.ReloadError != "" || r.Config != r.WantedConfig {
			t.Errorf("the mended file: %+v", r)
		}
		s.stop()
	})
}

// A process that dies right after it has accepted was not ready; later its death is a crash.
func TestEditsMustStayReady(t *testing.T) {
	for _, tt := range []struct {
		lives time.Duration
		want  string
	}{
		{proof - time.Millisecond, "dead a.ini#2 signal: killed, clear a.ini#2, launch a.ini#3 1"},
		{proof, "dead a.ini#2 signal: killed, clear a.ini#2, launch a.ini#3 respawn"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, comparing)
			s.put("a.ini", "1")
			pass(time.Minute)
			s.put("a.ini", "respawn")
			s.since()
			time.Sleep(tt.lives)
			s.alive["a.ini"].end(killed)
			pass(time.Minute)
			s.expect(t, tt.want)
			s.stop()
		})
	}
}

// Commands of an operator after an edit that was undone.
func TestOperatorsAfterAnUndoneEdit(t *testing.T) {
	const again = ", launch a.ini#4 respawn crash, dead a.ini#4 exit status 1, clear a.ini#4, launch a.ini#5 1"
	for verb, want := range map[Verb]string{
		Restart: "dead a.ini#3 exit status 0, clear a.ini#3" + again,
		Reload:  "dead a.ini#3 exit status 0, clear a.ini#3" + again,
		Stop:    "dead a.ini#3 exit status 0, clear a.ini#3",
		Start:   "",
		Reset:   "",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, comparing)
			s.put("a.ini", "1")
			pass(time.Minute)
			s.put("a.ini", "respawn crash")
			pass(time.Minute)
			s.since()
			if err := s.operator(t, "a.ini", verb); err != nil {
				t.Errorf("%s: %v", verb, err)
			}
			pass(time.Second)
			if got := s.since(); got != want {
				t.Errorf("%s: got %s\nwant %s", verb, got, want)
			}
			s.remove("a.ini")
			if len(s.alive) != 0 {
				t.Errorf("%s: it is not removed", verb)
			}
			s.stop()
		})
	}
}

// A refused reload, which left the old process running, does not take effect by a crash either.
func TestCrashAfterARefusedReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		pass(time.Minute)
		s.put("a.ini", "refuse")
		s.since()
		s.alive["a.ini"].end(killed)
		pass(time.Second)
		s.expect(t, "dead a.ini#1 signal: killed, clear a.ini#1, launch a.ini#2 1")
		if r := s.record(t, "a.ini"); r.ReloadError != "line 2: no" || r.Config == r.WantedConfig {
			t.Errorf("after the crash: %+v", r)
		}
		s.stop()
	})
}

// When the old configuration does not become ready again either, it is what backs off.
func TestOldConfigurationThatFailsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, comparing)
		s.put("a.ini", "1")
		pass(time.Minute)
		s.mu.Lock()
		s.breaks = "1"
		s.mu.Unlock()
		s.put("a.ini", "respawn crash")
		s.since()
		pass(2 * time.Second)
		s.expect(t, "launch a.ini#4 1, dead a.ini#4 exit status 1, clear a.ini#4, launch a.ini#5 1, dead a.ini#5 exit status 1, clear a.ini#5")
		if r := s.record(t, "a.ini"); r.State != BackingOff || r.Failures != 3 {
			t.Errorf("it does not back off: %+v", r)
		}
		s.mu.Lock()
		s.breaks = ""
		s.mu.Unlock()
		s.put("a.ini", "respawn mended")
		pass(time.Minute)
		if r := s.record(t, "a.ini"); r.State != Running || r.Config != r.WantedConfig {
			t.Errorf("the mended file: %+v", r)
		}
		s.stop()
	})
}

// A template that breaks a vassal is undone like an edit of its file.
func TestTemplatesThatDoNotBecomeReadyAreUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		templates := &wire.Templates{Set: [][]byte{[]byte("good")}}
		s := play(t, func(o *Options) {
			o.Compare = compareWords
			o.Check = func(monitor.Config) (Facts, error) { return Facts{Templates: templates}, nil }
		})
		s.put("a.ini", "1")
		pass(time.Minute)
		s.mu.Lock()
		s.breaks = "bad"
		s.mu.Unlock()
		templates = &wire.Templates{Set: [][]byte{[]byte("bad")}}
		s.since()
		if err := s.emperor.DoAll(t.Context(), ReloadAll); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 1, dead a.ini#2 exit status 1, clear a.ini#2, launch a.ini#3 1")
		pass(time.Minute)
		s.expect(t, "")
		if r := s.record(t, "a.ini"); r.State != Running || !strings.Contains(r.ReloadError, "did not become ready: exit status 1") {
			t.Errorf("got %+v", r)
		}
		s.stop()
	})
}
