package workers

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// fronted is a plan with the built-in server before the program.
func fronted(program, server string, n int) *Plan {
	p := plan(program, n)
	p.Front = &Front{Program: &Program{Path: "/" + server, Args: []string{server}, Server: &serving.Options{}}}
	return p
}

// TestServerBeforeTheProgram: the server is one more worker. It is waited for, replaced when
// it dies and by a reload, and gets no signal for the program.
func TestServerBeforeTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, fronted("stubborn", "server-silent", 2))
		s.expect("start 1 stubborn, start 2 stubborn, start 3 server-silent")
		s.expectSaid() // it has not reported that it serves
		s.post(notification{3, "READY=1"})
		s.expectSaid("accepting")
		s.signals <- syscall.SIGUSR2
		s.expect("user defined signal 2 1, user defined signal 2 2")
		s.stop("<nil>")
	})
	synctest.Test(t, func(t *testing.T) {
		s := play(t, fronted("app", "server", 1))
		s.expect("start 1 app, start 2 server")
		s.expectSaid("accepting")
		s.order(2, "next", fronted("new", "other", 1))
		s.expectSorted("start 3 new, start 4 other, terminated 1, terminated 2")
		s.end(4, "exit status 1")
		synctest.Wait()
		s.expectLogged("the worker died worker=2 pid=4")
		s.stop("<nil>")
	})
}

// before is that plan for a program that binds its own port.
func before(program, server string) *Plan {
	p := fronted(program, server, 1)
	p.StopFirst, p.Workers.StopSignal = true, syscall.SIGWINCH // of the program alone
	return p
}

// In a reload that stops first the server finishes its requests before the program is asked to stop.
func TestServerBeforeTheProgramLeavesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, before("app", "stubborn-server"))
		s.expect("start 1 app, start 2 stubborn-server")
		s.order(2, "next", before("new", "other"))
		s.expect("terminated 2")
		s.end(2, "exit status 0")
		s.expect("dead 2, window changed 1, dead 1, start 3 new, start 4 other")
		s.stop("<nil>")
	})
}

// A server whose requests wait for the program does not keep the old one from being started again.
func TestServerBeforeAProgramThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, before("app", "server"))
		s.since()
		next := before("crash", "stubborn-server")
		next.Proof = time.Second
		s.order(2, "next", next)
		s.expect(
			"terminated 2, dead 2, window changed 1, dead 1, start 3 crash, start 4 stubborn-server, dead 3, terminated 4, start 5 app, start 6 server",
			"terminated 2, dead 2, window changed 1, dead 1, start 3 crash, dead 3, start 4 stubborn-server, terminated 4, start 5 app, start 6 server",
		)
		s.end(4, "exit status 0")
		s.expect("dead 4")
		s.stop("<nil>")
	})
}

// A program that dies while the server finishes its requests is not started again, and a stop ends both.
func TestProgramBehindAServerThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, before("app", "stubborn-server"))
		s.since()
		s.order(2, "next", before("new", "other"))
		s.expect("terminated 2")
		s.end(1, "exit status 1")
		s.expect("dead 1, start 3 new, start 4 other")
		s.end(2, "exit status 0")
		s.expect("dead 2")
		s.stop("<nil>")
	})
}

// At a stop the server has half of the mercy to finish its requests, and the program the rest.
func TestStopOfAServerBeforeAProgram(t *testing.T) {
	for _, reloads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, before("stubborn", "stubborn-server"))
			s.since()
			if reloads {
				s.order(2, "next", before("new", "other"))
				s.expect("terminated 2")
			}
			s.signals <- syscall.SIGTERM
			synctest.Wait()
			s.since()
			time.Sleep(29 * time.Second)
			s.expect("")
			time.Sleep(2 * time.Second)
			s.expect("kill 2, dead 2, window changed 1")
			time.Sleep(28 * time.Second)
			s.expect("")
			time.Sleep(2 * time.Second)
			s.expect("kill 1, dead 1")
		})
	}
}
