package workers

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A reload whose options cannot be read, for whatever reason, delays neither the workers, nor
// the next order, nor the stop.
func TestReloadThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.order(1, "hangs", plan("web2", 1))
		s.expectSaid("accepting")
		s.since()
		s.end(1, "signal: killed")
		time.Sleep(time.Second)
		if h := s.since(); !strings.Contains(h, "start") || !strings.Contains(h, "web") {
			t.Errorf("a worker that died is not replaced: %s", h)
		}
		s.signals <- syscall.SIGHUP // does not overtake the order
		s.order(2, "good", plan("web3", 1))
		time.Sleep(time.Second)
		synctest.Wait()
		s.expectSaid("1 failed "+errOvertaken.Error(), "2 ready")
		for i := range uint64(maxReaders) {
			s.order(3+i, "hangs", nil)
		}
		s.order(8, "good", nil) // one reader of the first order is still there
		begin := time.Now()
		s.stop("<nil>")
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("the stop takes %v", took)
		}
		time.Sleep(2 * time.Hour)
	})
}

// An order that waits behind too many readings does not undo a later one.
func TestOrderThatWaitsForReadersIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		for i := range uint64(maxReaders) {
			s.order(1+i, "hangs", plan("web2", 1))
			time.Sleep(time.Minute)
		}
		s.order(5, "old", plan("old", 1))
		time.Sleep(57 * time.Minute) // the first reading is over
		s.order(6, "new", plan("new", 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		var serving []string
		for _, program := range s.alive {
			serving = append(serving, program)
		}
		if len(serving) != 1 || serving[0] != "new" {
			t.Errorf("alive: %v", serving)
		}
		s.stop("<nil>")
		time.Sleep(2 * time.Hour)
	})
}
