package workers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// The emperor gets a report of a program that failed when it was stopped, or had to be killed, and
// of no clean end.
func TestEndOfStoppedPrograms(t *testing.T) {
	for program, want := range map[string]string{
		"web": "", "sulky": "parted {Code:7 Signal:0 Killed:false}", "stubborn": "parted {Code:0 Signal:9 Killed:true}",
	} {
		t.Run(program, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, plan(program, 2))
				s.expectSaid("accepting")
				s.commands <- wire.Stop
				time.Sleep(2 * time.Minute)
				if want == "" {
					s.expectSaid()
				} else {
					s.expectSaid(want)
				}
				<-s.ended
			})
		})
	}
}

// The status of a worker ends with it, unless another worker has sent one since.
func TestStatusEndsWithItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 2))
		s.expectSaid("accepting")
		s.post(notification{1, "STATUS=five requests"})
		s.post(notification{2, "STATUS=six requests"})
		synctest.Wait()
		s.expectSaid("0 status five requests", "0 status six requests")
		s.end(1, "signal: killed")
		synctest.Wait()
		s.expectSaid()
		s.end(2, "signal: killed")
		synctest.Wait()
		s.expectSaid("0 status")
		s.stop("<nil>")
	})
}

// A report of a worker that is leaving does not concern the vassal.
func TestStatusOfALeavingWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("stubborn", 1))
		s.order(1, "b", plan("b", 1))
		s.post(notification{2, "STATUS=serving"})
		s.post(notification{1, "STATUS=shutting down"})
		time.Sleep(2 * time.Minute)
		s.expectSaid("accepting", "1 ready", "0 status serving")
		s.stop("<nil>")
	})
}

// A program that puts itself into the background is reported, and ended before the next one is started.
// One that has lived long has not.
func TestProgramInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.orphans = []Orphan{{9, "nginx"}}
		s.since()
		s.end(1, "exit status 0")
		s.expect("dead 1, end orphan 9")
		s.expectMourned("1/1 exit status 0, its program went into the background (nginx, process 9): it must stay in the foreground, as by daemon off, daemonize no, --nodaemon or -F +500ms")
		time.Sleep(time.Minute)
		s.orphans = []Orphan{{8, "sh"}}
		s.since()
		s.end(2, "exit status 0")
		s.expect("dead 2, start 3 web")
		s.stop("<nil>")
	})
}
