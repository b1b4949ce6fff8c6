package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

const (
	// restartFirst and restartMax bound the pause before a dead worker is
	// replaced, which doubles with each death; restartReset is how long a worker
	// must live for them to be forgotten.
	restartFirst = 500 * time.Millisecond
	restartMax   = 30 * time.Second
	restartReset = 10 * time.Second
)

// server is the loop of a vassal that has booted. One goroutine owns it.
type server struct {
	*Vassal
	path    string   // of the program
	args    []string // with its name
	current *worker  // nil while a dead one is to be replaced
	leaving map[int]*worker
	deaths  int
	restart *time.Timer
	stopped bool
	killAt  *time.Timer
}

// serve runs the worker until this process is told to stop. The vassal is the
// parent of all orphans in its namespace, or makes itself that, and reaps them.
func (v *Vassal) serve() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot adopt orphans: %w", err)
	}
	s := &server{Vassal: v, leaving: map[int]*worker{}, restart: stoppedTimer(), killAt: stoppedTimer()}
	if err := s.choose(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	if err := v.pipe.report(wire.Accepting); err != nil {
		return err
	}
	if v.order != nil {
		v.answer(v.order.Serial, wire.Ready, "")
	}
	orders := v.laterOrders()
	s.reap() // what the hooks left behind
	for !s.stopped || len(s.leaving) > 0 {
		select {
		case sig := <-v.signals:
			s.signal(sig)
		case c, ok := <-v.commands:
			s.command(c, ok)
		case o := <-orders:
			s.obey(o)
		case <-s.restart.C:
			s.again()
		case <-s.killAt.C:
			s.kill()
		}
	}
	endOrphans()
	return nil
}

// choose finds the program: the operator's command, or the built-in server.
func (s *server) choose() (err error) {
	s.args = s.options.Command
	name := s.ServerProgram
	if len(s.args) > 0 {
		name = s.args[0]
	} else {
		s.args = []string{serverName}
	}
	if s.path, err = exec.LookPath(name); err != nil {
		return fmt.Errorf("cannot run %q: %w", s.args[0], errors.Unwrap(err))
	}
	return nil
}

func (s *server) start() (err error) {
	s.current, err = s.spawn(s.path, s.args)
	return err
}

func (s *server) signal(sig os.Signal) {
	switch {
	case sig == syscall.SIGCHLD:
		s.reap()
	case ends(sig):
		s.stop(sig.String())
	case s.current != nil:
		s.current.signal(sig.(syscall.Signal))
	}
}

func (s *server) command(c wire.Command, ok bool) {
	switch {
	case !ok:
		s.commands = nil
		s.stop("the emperor is gone")
	case c == wire.Reload:
		_ = s.reload() // logged
	case c == wire.Stop, c == wire.StopGracefully:
		s.stop("the emperor says so")
	}
}

// stop asks every worker to end and sets the time of their death.
func (s *server) stop(why string) {
	if s.stopped {
		return
	}
	s.stopped = true
	s.restart.Stop()
	s.Log.Info("stopping: " + why)
	s.dismiss()
}

// dismiss asks the current worker to leave.
func (s *server) dismiss() {
	if s.current == nil {
		return
	}
	s.current.signal(syscall.SIGTERM)
	s.leaving[s.current.pid] = s.current
	s.current = nil
	s.killAt.Reset(s.options.ReloadMercy)
}

func (s *server) kill() {
	for _, w := range s.leaving {
		s.Log.Warn("the worker did not stop in time: killing it", "pid", w.pid, "mercy", s.options.ReloadMercy)
		w.kill()
	}
}

// obey reloads with the bytes of an order and answers it.
func (s *server) obey(o wire.Order) {
	before, options, path, args := s.order, s.options, s.path, s.args
	s.order = &o
	err := s.parse(context.Background())
	if err == nil {
		err = s.choose()
	}
	if err == nil {
		err = s.reload()
	}
	if err != nil {
		s.order, s.options, s.path, s.args = before, options, path, args
		s.answer(o.Serial, wire.Failed, err.Error())
		return
	}
	s.answer(o.Serial, wire.Ready, "")
}

// reload starts a new worker beside the old one and then lets that go: the
// sockets are never without somebody who accepts.
func (s *server) reload() error {
	if s.stopped {
		return nil
	}
	next, err := s.spawn(s.path, s.args)
	if err != nil {
		s.Log.Error("cannot reload: the old worker stays", "error", err)
		return err
	}
	s.dismiss()
	s.current = next
	return nil
}

// again replaces a dead worker.
func (s *server) again() {
	if s.stopped || s.current != nil {
		return
	}
	if err := s.start(); err != nil {
		s.Log.Error("cannot start the worker", "error", err)
		s.deaths++
		s.restart.Reset(pause(s.deaths))
	}
}

// reap collects every dead child, adopted ones too, and replaces the worker if
// it is among them.
func (s *server) reap() {
	for {
		pid, err := namespaces.NextDead()
		if err != nil || pid == 0 {
			return
		}
		w := s.leaving[pid]
		if s.current != nil && s.current.pid == pid {
			w = s.current
		}
		if w != nil {
			w.kill() // what it left in its group; its pid is still its own
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
			return
		}
		delete(s.leaving, pid)
		if w != nil && w == s.current {
			s.died(status)
		}
	}
}

// died handles the death of a worker that nobody asked to end.
func (s *server) died(status syscall.WaitStatus) {
	if time.Since(s.current.since) >= restartReset {
		s.deaths = 0
	}
	s.deaths++
	wait := pause(s.deaths)
	s.Log.Warn("the worker died", "pid", s.current.pid, "exit", exitText(status), "restart", wait)
	s.current = nil
	s.restart.Reset(wait)
}

// pause is the time to wait after that many deaths.
func pause(deaths int) time.Duration {
	d := restartFirst
	for ; deaths > 1 && d < restartMax; deaths-- {
		d *= 2
	}
	return min(d, restartMax)
}

func exitText(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "signal: " + s.Signal().String()
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
