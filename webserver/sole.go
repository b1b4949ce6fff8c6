package webserver

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/wire"
)

// sole is a server that is the only process of a vassal. It speaks the emperor's protocol, and puts
// another configuration into effect by a new server in this process, beside which the one before
// leaves.
//
// One goroutine, the caller of run, owns it. Others only send to its channels.
type sole struct {
	link
	base    Config                  // for all servers of this process, without options and sockets
	options *serving.Options        // in effect
	bound   []*sockets.Socket       // in effect, in their order
	now     *server                 // serves; nil before the first one is ready, and after a stop
	leaving map[*server]*time.Timer // answer their last requests; the timer closes their connections
	left    chan *server
	reload  attempts
	beat    *time.Ticker

	fatal error            // ends this process
	mercy <-chan time.Time // the end of the time to stop; nil: no stop was asked for
}

// runSole serves as the only process of a vassal, until it is asked to stop. It returns the error for
// which it could not go on.
func runSole(o *serving.Options, stderr *termlog.Queue) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGCHLD)
	s := newSole(o, Config{Log: termlog.OwnLog(stderr), AccessLog: stderr})
	hasten(&s.base)
	var err error
	if s.link, err = inheritedLink(); err != nil {
		return err
	}
	if err = s.adopt(); err != nil {
		s.close(err, false)
		return err
	}
	return s.serve(signals)
}

// newSole returns one without channels and sockets. c has its logs.
func newSole(o *serving.Options, c Config) *sole {
	s := &sole{options: o, base: c, leaving: map[*server]*time.Timer{}, left: make(chan *server), reload: newAttempts(), beat: newBeat(0)}
	s.base.Notify = func(state string) {
		if state == "LOYAL=1" {
			s.report(wire.Loyal)
		}
	}
	return s
}

// serve serves until this process was asked to stop, or cannot go on. At its end nothing is left of the
// sockets.
func (s *sole) serve(signals <-chan os.Signal) error {
	err := s.run(signals)
	if s.pipe.Held() { // the next process of the vassal goes on with them
		for _, one := range s.bound {
			one.Close()
		}
	} else {
		discard(s.bound)
	}
	s.close(err, len(s.leaving) > 0)
	return err
}

// run is serve without its end. After a stop it waits for the last requests, for no longer than the mercy.
func (s *sole) run(signals <-chan os.Signal) error {
	commands := s.pipe.Commands()
	go s.receive()
	s.begin(&attempt{options: s.options})
	for s.fatal == nil && (s.reload.state != soleClosed || len(s.leaving) > 0) {
		var failed chan error
		if s.now != nil {
			failed = s.now.failed
		}
		select {
		case c, ok := <-commands:
			if !ok {
				commands = nil
			}
			s.command(c, ok)
		case o := <-s.later:
			s.order(&o)
		case sig := <-signals:
			s.signal(sig)
		case a := <-s.reload.made:
			s.ended(a)
		case <-s.reload.settled:
			s.step(soleSettled, nil, nil)
		case <-s.reload.late.C:
			s.step(soleLate, nil, nil)
		case old := <-s.left:
			s.leaving[old].Stop()
			delete(s.leaving, old)
			old.close()
		case <-s.beat.C:
			s.report(wire.Heartbeat)
		case err := <-failed:
			return errors.Join(err, s.now.web.Close())
		case <-s.mercy:
			s.base.Log.Warn("requests have not ended in time", "mercy", s.options.Sole.Mercy)
			return nil
		}
	}
	return s.fatal
}

func (s *sole) command(c wire.Command, ok bool) {
	switch {
	case !ok:
		s.stop("the emperor is gone")
	case c == wire.Reload:
		s.again("requested by the emperor")
	case c == wire.Stop, c == wire.StopGracefully:
		s.stop("requested by the emperor")
	}
}

func (s *sole) signal(sig os.Signal) {
	switch sig {
	case syscall.SIGCHLD:
		reap()
	case syscall.SIGHUP:
		s.again("SIGHUP")
	default:
		if s.reload.state == soleClosed { // the second one
			s.mercy = time.After(0)
		}
		s.stop(sig.String())
	}
}

// reap ends the zombies that other processes have left to this one, the first of its pid namespace. The
// server starts no programs.
func reap() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}

// stop lets the server answer its last requests.
func (s *sole) stop(why string) {
	if s.reload.state == soleClosed {
		return
	}
	s.base.Log.Info("stopping: " + why)
	s.step(soleStop, nil, nil)
	s.mercy = time.After(s.options.Sole.Mercy)
	if s.now != nil {
		s.dismiss(s.now)
		s.now = nil
	}
}

// dismiss lets a server leave, for no longer than the mercy.
func (s *sole) dismiss(old *server) {
	mercy := s.options.Sole.Mercy
	old.retire()
	s.leaving[old] = time.AfterFunc(mercy, func() {
		s.base.Log.Warn("requests have not ended in time: their connections are closed", "mercy", mercy)
		old.conns.abort()
		_ = old.web.Close()
	})
	go func() {
		if err := old.leave(context.Background()); err != nil {
			s.base.Log.Debug("a server has left", "reason", err)
		}
		s.left <- old
	}()
}
