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
// must not delay a stop. Only the last one counts.
type attempts struct {
	state   soleState                                        // assigned by step
	make    func(c *Config, before *server) (*server, error) // newServer
	made    chan *attempt
	settled chan struct{} // the server before does not accept any more
	current *attempt      // booting, making, handing over: the last one; nil in any other state
	next    *attempt      // begins when the current one is over; nil: none
	running int           // attempts that have not ended
	late    *time.Timer
	failing bool // a failure of a reload that the emperor did not order was reported
}

// attempt is a request to reload, and its result.
type attempt struct {
	order   *wire.Order // nil: the emperor has not ordered it
	why     string
	options *serving.Options // nil: those in effect when it begins
	server  *server
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
	t := attempts{
		state: soleBooting, make: newServer, made: make(chan *attempt), settled: make(chan struct{}, 1), late: time.NewTimer(time.Hour),
	}
	t.late.Stop()
	return t
}

// step applies an input to the reload. a is the request of an input that has one, and err the error of a
// failure. No other function assigns the state.
func (s *sole) step(in soleInput, a *attempt, err error) {
	t := &s.reload
	next, do := stepSole(t.state, in)
	t.state = next
	if in == soleLate && t.current != nil {
		err = fmt.Errorf("worker 1 was not ready within %v", t.current.options.Sole.Ready)
	}
	switch do {
	case doMake:
		s.begin(a)
	case doMakeInstead:
		s.conclude(t.current, errOvertaken)
		s.begin(a)
	case doQueue:
		s.queue(a)
	case doDecline:
		s.conclude(a, a.err)
	case doRefuse:
		s.conclude(a, errStopping)
	case doAccept:
		s.report(wire.Accepting)
		s.answer(1, wire.Ready, "")
		s.proceed()
	case doAwait:
		t.late.Stop()
	case doFinish, doKeep:
		s.conclude(t.current, err)
		s.proceed()
	case doFail:
		s.fatal = err
	case doForget:
		s.forget()
	case doAbort:
		s.conclude(t.current, errStopping)
		s.forget()
	case doFinishLast:
		s.conclude(t.current, nil)
		s.forget()
	}
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

// ask requests a reload.
func (s *sole) ask(a *attempt) {
	switch {
	case a.err != nil:
		s.step(soleUnusable, a, nil)
	case a.order != nil:
		s.step(soleOrdered, a, nil)
	default:
		s.step(soleAsked, a, nil)
	}
}

// queue keeps a request in the place of an earlier one. A request that reads the files again is done by the one
// that waits, too.
func (s *sole) queue(a *attempt) {
	t := &s.reload
	if t.next != nil {
		if a.order == nil {
			return
		}
		s.conclude(t.next, errOvertaken)
	}
	t.next = a
}

// begin begins to make a server.
func (s *sole) begin(a *attempt) {
	t := &s.reload
	t.current = a
	if t.running >= mostAttempts {
		s.step(soleFailed, nil, errStuck)
		return
	}
	if a.options == nil {
		a.options = s.options
	}
	t.running++
	t.late.Reset(a.options.Sole.Ready)
	config, before := s.base, s.now
	config.Options = *a.options
	go func() {
		a.server, a.err = t.make(&config, before)
		t.made <- a
	}()
}

// ended puts the server of an attempt into effect, if it is the last one.
func (s *sole) ended(a *attempt) {
	s.reload.running--
	if a != s.reload.current {
		if a.server != nil {
			a.server.abandon()
		}
		return
	}
	if a.err != nil {
		s.step(soleFailed, nil, a.err)
		return
	}
	in := soleServes
	if s.now != nil {
		in = soleReplaced
	}
	if err := s.take(a); err != nil {
		a.server.abandon()
		s.step(soleFailed, nil, err)
		return
	}
	s.step(in, nil, nil)
}

// proceed begins the request that waits.
func (s *sole) proceed() {
	t := &s.reload
	t.late.Stop()
	a := t.next
	t.current, t.next = nil, nil
	if a != nil {
		s.ask(a)
	}
}

// forget ends all attempts because the vassal stops.
func (s *sole) forget() {
	t := &s.reload
	t.late.Stop()
	if t.next != nil {
		s.conclude(t.next, errStopping)
	}
	t.current, t.next = nil, nil
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
		go func() {
			before.awaitHandover()
			s.reload.settled <- struct{}{}
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

// conclude reports the result of a reload.
func (s *sole) conclude(a *attempt, err error) {
	if err != nil {
		s.base.Log.Error("cannot reload: the old workers stay", "why", a.why, "error", err)
	} else {
		s.base.Log.Info("workers replaced", "why", a.why, "workers", 1)
	}
	switch {
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
	case err != nil && s.reload.state != soleClosed && !errors.Is(err, errOvertaken):
		s.reload.failing = true
		s.answer(0, wire.Failed, a.why+": "+err.Error())
	}
}
