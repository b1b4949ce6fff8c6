package emperor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/emperor-go/emperor/internal/address"
)

// socketState is the place of the socket of an on-demand vassal in its own life.
type socketState string

const (
	// noSocket: there is none, or the vassal is not on demand.
	noSocket socketState = ""
	// socketBinding: the Activator has not answered.
	socketBinding socketState = "binding"
	// socketBound: clients find it.
	socketBound socketState = "bound"
	// socketRemoved: its path was removed. The next wait for a connection makes it again.
	socketRemoved socketState = "removed"
)

// recordEditedWait notes that a change of the file takes effect while the vassal waits.
func recordEditedWait(o *Options, v *vassal) {
	v.outcome.cancelPaused()
	v.countChange(o.ChangePause)
	v.demand.edited = false
}

// watchSocket waits for a connection on the vassal's socket, and binds the socket first if there is
// none yet. watchEdited does it with another configuration than before.
func watchSocket(o *Options, v *vassal) { v.watchSocket(o, false) }
func watchEdited(o *Options, v *vassal) { v.watchSocket(o, true) }

func (v *vassal) watchSocket(o *Options, edited bool) {
	v.demand.watch++
	if v.demand.socket == socketBinding {
		return // continues when that is over
	}
	lost := v.demand.discard()
	ctx, cancel := context.WithCancel(context.Background())
	v.demand.unwatch = cancel
	watch, plan, activation := v.demand.watch, v.target(), v.demand.activation
	r, attendant, activator := Request{Plan: plan, Generation: v.run.generation, Log: v.log}, o.WaitObserver, o.Activator
	if activation == nil {
		v.demand.socket = socketBinding
		v.group.Go(func() {
			defer cancel()
			if lost != nil {
				_ = lost.Close() // before its path is used again
			}
			made, err := activator.Activate(ctx, *plan)
			if made != nil && attendant != nil {
				attendant.Waiting(ctx, r)
			}
			if !v.post(activated{v, watch, made, err}) && made != nil {
				_ = made.Close()
			}
		})
		return
	}
	v.group.Go(func() {
		defer cancel()
		if err := Conflict(activation, *plan); err != nil {
			v.post(connected{v, watch, err})
			return
		}
		if edited && attendant != nil {
			attendant.Changed(ctx, r)
		}
		if err := activation.Wait(ctx); ctx.Err() == nil {
			v.post(connected{v, watch, err})
		}
	})
}

// Conflict returns an error when a vassal of that configuration binds the address of its
// activation itself.
func Conflict(a Activation, p Plan) error {
	for _, own := range p.Places {
		if a.Conflicts(own) {
			return fmt.Errorf("cannot bind %s for it: its configuration binds the same address (remove it there: the vassal gets this socket)",
				address.Quote(a.String()))
		}
	}
	return nil
}

// discard returns the socket that clients do not find any more, and forgets it. Nil: there is
// none.
func (d *demand) discard() (lost Activation) {
	if d.socket == socketRemoved {
		lost, d.activation, d.socket = d.activation, nil, noSocket
	}
	return lost
}

// socketLost: the path of a vassal's socket was removed. A process that has the socket cannot get
// the next one.
type socketLost struct {
	v          *vassal
	activation Activation
}

func (s socketLost) apply(e *Emperor) {
	if v := s.v; v.demand.activation == s.activation && v.demand.socket == socketBound {
		e.input(v, SocketLost) // in other states later, when it is still lost
	}
}

// recordSocketLost notes that the socket is to be made again.
func (v *vassal) recordSocketLost(how string) {
	v.demand.socket = socketRemoved
	v.log.Warn("its socket was removed: it is made again"+how, "address", v.demand.activation.String())
}

// rebind makes the socket of a waiting vassal again.
func rebind(o *Options, v *vassal) {
	v.demand.unwatch()
	watchSocket(o, v)
}

// activated: a vassal has its socket, or is not on demand, or cannot have it.
type activated struct {
	v          *vassal
	watch      uint64
	activation Activation
	err        error
}

func (a activated) apply(e *Emperor) {
	v := a.v
	v.demand.socket = noSocket
	if e.vassals.named[v.name] != v { // it is gone
		if a.activation != nil {
			e.group.Go(func() { _ = a.activation.Close() })
		}
		return
	}
	if a.activation != nil {
		v.demand.activation, v.demand.socket = a.activation, socketBound
		v.log.Info("on demand", "address", a.activation.String())
	}
	switch {
	case v.demand.watch != a.watch, a.activation != nil:
		e.input(v, Bound)
	case a.err != nil:
		v.demand.bindError = a.err
		e.input(v, Unbound)
	default:
		e.input(v, Knock)
	}
}

// connected: a connection waits, or it cannot be waited for.
type connected struct {
	v     *vassal
	watch uint64
	err   error
}

func (k connected) apply(e *Emperor) {
	switch {
	case k.watch != k.v.demand.watch:
	case k.err != nil:
		k.v.demand.bindError = k.err
		e.input(k.v, Unbound)
	case k.v.leaving().hasty(e.options.Backoff.Initial):
		e.input(k.v, Hasty)
	default:
		if k.v.outcome.rest == restLeft { // when it was time
			k.v.outcome.failures = 0
		}
		e.input(k.v, Knock)
	}
}

// leaving describes the end of the last process.
func (v *vassal) leaving() leaving {
	at := v.history.at
	return leaving{left: v.outcome.rest == restLeft, served: at.exited.Sub(at.lastRun), ago: time.Since(at.exited)}
}

// forget releases the resources that outlive generations. Another monitor may have a vassal of
// that name.
func (e *Emperor) forget(v *vassal) {
	if activation := v.demand.activation; activation != nil {
		v.demand.activation, v.demand.socket = nil, noSocket
		e.group.Go(func() {
			if err := activation.Close(); err != nil {
				v.log.Error("cannot remove its socket", "error", err)
			}
		})
	}
	if v.parent != nil {
		e.zergs--
		v.parent.zergs.ended(&e.options, v)
	}
	for _, source := range slices.Compact(slices.Sorted(maps.Values(v.file.duplicates))) {
		e.reconcile(source, e.sets[source])
	}
	inherit(e, v)
}

func recordUnbound(_ *Options, v *vassal) {
	v.history.cause, v.run.config = v.demand.bindError, v.target()
	v.outcome.countFailure()
	v.log.Error("cannot wait for connections", "error", v.history.cause)
}

func recordHaste(_ *Options, v *vassal) {
	v.outcome.wake()
	v.outcome.countFailure()
	v.log.Warn("exited immediately after activation; backing off")
}
