package webserver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/wire"
)

// attempts are the servers that are being made, outside the loop: a file system that does not answer
// must not hold up a stop. Only the last one counts.
type attempts struct {
	make    func(c *Config, before *server) (*server, error) // newServer
	made    chan *attempt
	settled chan *attempt // in effect: the server before does not accept any more
	current *attempt      // the last one; nil: it has ended
	next    *attempt      // begins when the current one has ended; nil: none
	running int
	late    *time.Timer
	failing bool // a failure of a reload that the emperor did not order was reported
}

// attempt is one of them, and its result.
type attempt struct {
	order   *wire.Order // nil: the emperor has not ordered it
	why     string
	first   bool             // of the process
	options *serving.Options // nil: those in effect when it begins
	server  *server
	taken   bool // it is in effect, but for the last connections of the server before
	err     error
}

// mostAttempts limits attempts that do not end.
const mostAttempts = 4

// Errors of reloads.
var (
	errAnew      = errors.New("a new process is needed")
	errStopping  = errors.New("the vassal is stopping")
	errOvertaken = errors.New("a later order came before this one took effect")
	errStuck     = errors.New("earlier reloads have not ended")
)

func newAttempts() attempts {
	t := attempts{make: newServer, made: make(chan *attempt), settled: make(chan *attempt, 1), late: time.NewTimer(time.Hour)}
	t.late.Stop()
	return t
}

// order handles an order of the emperor.
func (s *sole) order(o *wire.Order) {
	a := &attempt{order: o, why: "requested by the emperor"}
	if len(o.Server) == 0 {
		a.err = fmt.Errorf("%w: the vassal program boots this configuration", errAnew)
	} else {
		a.options, a.err = serving.Decode(o.Server)
	}
	s.ask(a)
}

// again reloads without an order: the configuration in effect, with its files as they are now.
func (s *sole) again(why string) { s.ask(&attempt{why: why}) }

// ask begins an attempt at once or behind others. An order does not wait for an attempt that may be
// blocked for ever.
func (s *sole) ask(a *attempt) {
	t := &s.reload
	switch {
	case s.stopping:
		s.conclude(a, errStopping)
	case a.err != nil:
		s.conclude(a, a.err)
	case t.current == nil:
		t.begin(s, a)
	case a.order == nil && t.next != nil: // the one that waits reads the files, too
	case a.order == nil || t.current.first || t.current.taken:
		if t.next != nil {
			s.conclude(t.next, errOvertaken)
		}
		t.next = a
	default:
		s.conclude(t.current, errOvertaken)
		t.begin(s, a)
	}
}

// begin begins to make a server.
func (t *attempts) begin(s *sole, a *attempt) {
	if t.running >= mostAttempts {
		t.current = nil
		s.conclude(a, errStuck)
		return
	}
	if a.options == nil {
		a.options = s.options
	}
	t.running++
	t.current = a
	t.late.Reset(a.options.Sole.Ready)
	config, before := s.base, s.now
	config.Options = *a.options
	go func() {
		a.server, a.err = t.make(&config, before)
		t.made <- a
	}()
}

// end puts the server of an attempt into effect, if it is the last one. It returns an error without
// which this process cannot go on.
func (t *attempts) end(s *sole, a *attempt) error {
	t.running--
	if a != t.current {
		if a.server != nil {
			a.server.abandon()
		}
		return nil
	}
	err := a.err
	if err == nil {
		if err = s.take(a); err != nil {
			a.server.abandon()
		}
	}
	if a.taken {
		t.late.Stop()
		return nil
	}
	return t.over(s, err)
}

// settle is end for an attempt that is in effect.
func (t *attempts) settle(s *sole, a *attempt) error {
	if a != t.current { // a stop has ended it
		return nil
	}
	return t.over(s, nil)
}

// tooLate is end for an attempt that takes too long.
func (t *attempts) tooLate(s *sole) error {
	return t.over(s, fmt.Errorf("worker 1 was not ready within %v", t.current.options.Sole.Ready))
}

// over ends the current attempt and begins the next.
func (t *attempts) over(s *sole, err error) error {
	a := t.current
	t.current = nil
	t.late.Stop()
	if a.first && err != nil {
		return err
	}
	s.conclude(a, err)
	if a = t.next; a != nil {
		t.next = nil
		t.begin(s, a)
	}
	return nil
}

// stop ends all attempts.
func (t *attempts) stop(s *sole) {
	for _, a := range []*attempt{t.current, t.next} {
		if a != nil && a.taken {
			s.conclude(a, nil)
		} else if a != nil && !a.first {
			s.conclude(a, errStopping)
		}
	}
	t.current, t.next = nil, nil
	t.late.Stop()
}

// take puts the server of an attempt into effect. The one before leaves. A reload is not reported before it
// accepts no more: the next connection gets an answer of the new server.
func (s *sole) take(a *attempt) error {
	list, made, err := s.bind(a.options)
	if err != nil {
		if errors.Is(err, unix.EADDRINUSE) && s.crowded(a.options) {
			return fmt.Errorf("%w: %w", errAnew, err)
		}
		return err
	}
	if a.server.config.Sockets, err = listeners(list); err == nil {
		err = a.server.open()
	}
	if err != nil {
		closeListeners(a.server.config.Sockets)
		discard(made)
		return err
	}
	before, had := s.now, s.bound
	s.replace(list)
	s.now, s.options = a.server, a.options
	s.now.begin()
	s.beat.Stop()
	s.beat = newBeat(a.options.Heartbeat)
	if before != nil {
		before.handed = make([]bool, len(had))
		for i, one := range had {
			before.handed[i] = slices.Contains(list, one)
		}
		s.now.counters.renew()
		s.dismiss(before)
		a.taken = true
		go func() {
			before.awaitHandover()
			s.reload.settled <- a
		}()
	}
	return nil
}

// crowded reports whether sockets of this process prevent the binding of sockets of a configuration.
func (s *sole) crowded(o *serving.Options) bool {
	return slices.ContainsFunc(o.Sole.Sockets, func(b serving.Bound) bool {
		return slices.ContainsFunc(s.bound, func(have *sockets.Socket) bool { return have.Address != b.Address && have.Crowds(b.Address) })
	})
}

// conclude reports the result of an attempt.
func (s *sole) conclude(a *attempt, err error) {
	switch {
	case err != nil && !a.first:
		s.base.Log.Error("cannot reload: the old workers stay", "why", a.why, "error", err)
	case !a.first:
		s.base.Log.Info("workers replaced", "why", a.why, "workers", 1)
	}
	switch {
	case a.first:
		s.report(wire.Accepting)
		s.answer(1, wire.Ready, "")
	case a.order == nil:
		s.concludeOwn(a, err)
	case err == nil:
		s.answer(a.order.Serial, wire.Ready, "")
	case errors.Is(err, errAnew):
		s.answer(a.order.Serial, wire.Anew, err.Error())
	default:
		s.answer(a.order.Serial, wire.Failed, err.Error())
	}
}

// concludeOwn reports the failure of a reload that the emperor did not order, and the first success
// after it.
func (s *sole) concludeOwn(a *attempt, err error) {
	switch {
	case err == nil && s.reload.failing:
		s.reload.failing = false
		s.answer(0, wire.Ready, "")
	case err != nil && !s.stopping && !errors.Is(err, errOvertaken):
		s.reload.failing = true
		s.answer(0, wire.Failed, a.why+": "+err.Error())
	}
}
