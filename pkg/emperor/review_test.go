package emperor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// A check that does not end delays no other vassal; its own vassal continues with the previous
// file.
func TestSlowCheckHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := play(t, func(o *Options) {
			o.Check = func(c monitor.Config) (Facts, error) {
				if strings.Contains(string(c.Data), "hangs") {
					<-release
				}
				return Facts{}, nil
			}
		})
		s.put("a.ini", "1")
		s.put("h.ini", "1")
		s.expect(t, "launch a.ini#1 1, launch h.ini#1 1")
		s.put("h.ini", "hangs")
		s.put("new.ini", "hangs")
		s.put("a.ini", "2")
		pass(checkGrace)
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 2")
		if r := s.record(t, "h.ini"); r.State != Running || r.Fault != "" {
			t.Errorf("%+v", r)
		}
		if r := s.record(t, "new.ini"); r.State != Idle || r.Fault != "is still being read" {
			t.Errorf("%+v", r)
		}
		if p, err := s.emperor.Progress(t.Context()); err != nil || p.Begun {
			t.Errorf("begun before all is read: %+v, %v", p, err)
		}
		s.put("b.ini", "1")
		pass(checkGrace)
		s.expect(t, "launch b.ini#1 1")
		close(release)
		synctest.Wait()
		if got := s.since(); !strings.Contains(got, "launch h.ini#2 hangs") || !strings.Contains(got, "launch new.ini#1 hangs") {
			t.Errorf("after it has ended: %s", got)
		}
		if p, err := s.emperor.Progress(t.Context()); err != nil || !p.Begun {
			t.Errorf("%+v, %v", p, err)
		}
		if strings.Contains(s.log.String(), "ERROR") {
			t.Errorf("that is no error:\n%s", s.log)
		}
		s.stop()
	})
}

// The newest file counts, also when it came while an older one was being checked.
func TestFileThatChangesWhileItIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.Check = func(c monitor.Config) (Facts, error) {
				time.Sleep(checkGrace / 2)
				if strings.Contains(string(c.Data), "wrong") {
					return Facts{}, errors.New("it is wrong")
				}
				return Facts{}, nil
			}
		})
		s.put("a.ini", "wrong")
		s.put("a.ini", "1")
		s.put("a.ini", "2")
		pass(time.Second)
		s.expect(t, "launch a.ini#1 2")
		if r := s.record(t, "a.ini"); r.Fault != "" {
			t.Errorf("%+v", r)
		}
		s.stop()
	})
}

// A check that failed because a file system was too slow is repeated.
func TestCheckThatWasTooSlowIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		slow := true
		s := play(t, func(o *Options) {
			o.Check = func(monitor.Config) (Facts, error) {
				mu.Lock()
				defer mu.Unlock()
				if slow {
					return Facts{}, fmt.Errorf("template: %w", reads.ErrSlow)
				}
				return Facts{}, nil
			}
		})
		s.put("a.ini", "1")
		pass(10 * time.Second)
		s.expect(t, "")
		if r := s.record(t, "a.ini"); r.Fault != "template: it takes too long" {
			t.Errorf("%+v", r)
		}
		mu.Lock()
		slow = false
		mu.Unlock()
		pass(checkAgain)
		s.expect(t, "launch a.ini#1 1")
		if r := s.record(t, "a.ini"); r.Fault != "" {
			t.Errorf("%+v", r)
		}
		s.stop()
	})
}

// stubborn is a monitor that does not end, like one that hangs in the kernel.
type stubborn struct {
	monitor.Monitor
	release chan struct{}
}

func (m stubborn) Run(ctx context.Context, report func(monitor.Set)) error {
	err := m.Monitor.Run(ctx, report)
	<-m.release
	return err
}

func TestEndWaitsForAMonitorOnlyAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := play(t, func(o *Options) { o.Monitors[0] = stubborn{o.Monitors[0], release} })
		s.put("a.ini", "1")
		begun := time.Now()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != monitorEndWait {
			t.Errorf("the end took %v", took)
		}
		if !strings.Contains(s.log.String(), "a monitor does not end: it is left behind monitor=static") {
			t.Errorf("the log does not say it:\n%s", s.log)
		}
		close(release)
	})
}
