package emperor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A vassal that cannot be killed holds up the end of the emperor for a bounded time, and
// no other vassal.
func TestEndWithoutWhatDoesNotEnd(t *testing.T) {
	for name, hurry := range map[string]bool{"once": false, "twice": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, nil)
				s.put("a.ini", "stubborn immortal")
				s.put("b.ini", "")
				s.put("c.ini", "slow-launch stubborn immortal")
				pass(30 * time.Second)
				s.since()
				begun, ended := time.Now(), make(chan error)
				go func() { ended <- s.stop() }()
				synctest.Wait()
				want := time.Minute + unkillable + endWait
				if hurry {
					s.hurry <- struct{}{}
					want = unkillable + endWait
				}
				if err := <-ended; err != nil || time.Since(begun) != want {
					t.Errorf("ended after %v, want %v: %v", time.Since(begun), want, err)
				}
				s.expect(t, "dead b.ini#1 exit status 0, clear b.ini#1")
				if n := strings.Count(s.log.String(), "it does not end: the emperor ends without it"); n != 2 {
					t.Errorf("told of %d vassals:\n%s", n, s.log)
				}
				for _, f := range s.alive {
					f.end(killed)
				}
			})
		})
	}
}

// One that was killed before, and does not end, holds it up no longer.
func TestEndWithoutWhatWasKilledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "stubborn immortal")
		s.remove("a.ini")
		pass(time.Hour)
		begun := time.Now()
		if err := s.stop(); err != nil || time.Since(begun) != unkillable+endWait {
			t.Errorf("ended after %v: %v", time.Since(begun), err)
		}
		s.alive["a.ini"].end(killed)
	})
}
