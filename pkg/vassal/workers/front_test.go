package workers

import (
	"syscall"
	"testing"
	"testing/synctest"

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
