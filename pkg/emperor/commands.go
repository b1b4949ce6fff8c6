package emperor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// ErrStopping is returned for an operator's verb while the emperor stops its vassals.
var ErrStopping = errors.New("the emperor is stopping")

// ErrEnded is returned for a question to an Emperor that does not run any more.
var ErrEnded = errors.New("the emperor has ended")

// Restore lets every process restore its surroundings, and looks for sockets of on-demand
// vassals that were removed.
func (e *Emperor) Restore(ctx context.Context) error {
	var list []Process
	var sockets []socketLost
	err := e.ask(ctx, func() {
		for _, v := range e.vassals.named {
			if p := v.living(); p != nil {
				list = append(list, p)
			}
			if v.demand.activation != nil {
				sockets = append(sockets, socketLost{v, v.demand.activation})
			}
		}
	})
	for _, p := range list {
		p.Restore()
	}
	for _, s := range sockets {
		if s.activation.Lost(ctx) {
			e.post(s)
		}
	}
	return err
}

// Records returns the records of all vassals, sorted by name.
func (e *Emperor) Records(ctx context.Context) (records []Record, err error) {
	err = e.ask(ctx, func() {
		sorted := e.vassals.sorted()
		records = make([]Record, len(sorted))
		for i, v := range sorted {
			records[i] = v.record(&e.options)
		}
	})
	return records, err
}

// Configuration returns the plan that the process of a vassal has taken over. running is false
// for a vassal without a process: the plan is the one of its next launch, and the zero value
// when there is none.
func (e *Emperor) Configuration(ctx context.Context, name string) (p Plan, running bool, err error) {
	asked := e.ask(ctx, func() {
		v := e.vassals.named[name]
		switch {
		case v == nil:
			err = UnknownError{name}
		case v.run.process != nil:
			p, running = *v.run.config, true
		case v.wish.wanted != nil:
			p = *v.wish.wanted
		}
	})
	return p, running, errors.Join(asked, err)
}

// Verb is a command of an operator.
type Verb string

// The verbs.
const (
	// Start: run now, in any case.
	Start Verb = "start"
	// Stop: stop until Start.
	Stop Verb = "stop"
	// Restart: a new process.
	Restart Verb = "restart"
	// Reload: take over the newest configuration, also one that was refused: in the running
	// process, unless that needs a new one.
	Reload Verb = "reload"
	// Reset: forget failures and end a backoff.
	Reset Verb = "reset"
)

// Verbs lists them all.
func Verbs() []Verb { return []Verb{Start, Stop, Restart, Reload, Reset} }

// UnknownError is returned when no vassal has that name.
type UnknownError struct{ Name string }

func (u UnknownError) Error() string { return fmt.Sprintf("there is no vassal %q", u.Name) }

// Do begins an operation on a vassal, and returns its record right after the beginning. Later
// records and transitions show the result. An error means that it cannot begin. A vassal that
// one of permits refuses does not exist for the client; the loop calls them, so they must be fast. Before a reload the
// caller's goroutine checks the configuration again, because the files around it may have changed.
func (e *Emperor) Do(ctx context.Context, name string, verb Verb, permits ...func(Record) bool) (r Record, err error) {
	o := operation{e, name, verb, permits}
	again := o.check(ctx)
	asked := e.ask(ctx, func() {
		v := o.vassal()
		if v == nil {
			err = UnknownError{name}
			return
		}
		if again.v != v {
			again = rechecked{}
		}
		err = o.carryOut(v, again)
		r = v.record(&e.options)
	})
	return r, errors.Join(asked, err)
}

// operation is an operation of a client on a vassal.
type operation struct {
	*Emperor
	name    string
	verb    Verb
	permits []func(Record) bool
}

// vassal returns the vassal. Nil: there is none for the client.
func (o operation) vassal() *vassal {
	v := o.vassals.named[o.name]
	if v == nil || slices.ContainsFunc(o.permits, func(permit func(Record) bool) bool { return !permit(v.record(&o.options)) }) {
		return nil
	}
	return v
}

// check checks the configuration of a running vassal again before a reload, outside of the loop. The zero value: there is no
// such vassal.
func (o operation) check(ctx context.Context) (again rechecked) {
	if o.verb != Reload {
		return again
	}
	var is monitor.Config
	var check func(monitor.Config) (Facts, error)
	err := o.ask(ctx, func() {
		if v := o.vassal(); v != nil && v.wish.wanted != nil && v.takes(Refresh) && o.options.Check != nil {
			is, check = v.wish.wanted.Config, o.options.Check
			again = rechecked{generationOf: generationOf{v, v.run.generation}, version: is.Version}
		}
	})
	if err != nil || again.v == nil {
		return rechecked{}
	}
	again.facts, again.err = check(is)
	return again
}

// carryOut begins the operation. again is the check before a reload; the zero value: there was none.
func (o operation) carryOut(v *vassal, again rechecked) error {
	if o.stopping {
		return ErrStopping
	}
	v.log.Info("operator: " + string(o.verb))
	v.note(AboutOperator, "%s", o.verb)
	if v.outcome.unthrottle() {
		defer o.applyWanted(v)
	}
	switch o.verb {
	case Start:
		if v.wish.wanted == nil {
			return fmt.Errorf("its configuration cannot be used: %s", v.wish.fault)
		}
		v.wish.held = false
		v.forgive()
		o.input(v, Begin)
	case Stop:
		if v.history.at.accepting.IsZero() { // it boots
			o.input(v, StopAgain)
		}
		v.wish.held = true
		o.input(v, Drop)
	case Restart:
		if v.wish.fault != "" && (v.wish.wanted == nil || v.wish.wanted.Err == nil) { // the next process would not have the newest configuration
			return fmt.Errorf("its configuration cannot be used: %s", v.wish.fault)
		}
		v.wish.held = false
		v.forgive()
		v.outcome.retry()
		o.input(v, Want)
	case Reload:
		if again.v != nil && again.counts() && again.replaces(o.Emperor) {
			return nil
		}
		return o.reload(v)
	case Reset:
		v.forgive()
		v.outcome.churn = churn{}
		o.input(v, Renewed)
	default:
		return fmt.Errorf("unknown verb %q", o.verb)
	}
	return nil
}

// reload refuses a reload that cannot succeed, so that no client waits for it.
func (o operation) reload(v *vassal) error {
	if v.wish.fault != "" {
		return fmt.Errorf("its configuration cannot be used: %s", v.wish.fault)
	}
	if o.input(v, ReloadAsked) {
		return nil
	}
	text := string(v.state)
	if why := v.situation(&o.options).resting(); why != "" {
		text += " (" + why + ")"
	}
	return fmt.Errorf("it does not run: it is %s", text)
}

// DoAll passes on a wish about all vassals.
func (e *Emperor) DoAll(ctx context.Context, wish Broadcast) error {
	return e.ask(ctx, func() {
		for _, v := range e.vassals.sorted() {
			if v.outcome.unthrottle() {
				e.applyWanted(v)
			}
		}
		switch wish {
		case ReloadAll:
			e.reloadAll()
		case ForgiveAll:
			for _, v := range e.vassals.sorted() {
				if v.parent == nil {
					v.forgive()
				}
				e.input(v, Forgiven)
			}
		}
	})
}

// Broadcast is about all vassals.
type Broadcast string

// The wishes.
const (
	// ReloadAll: each running vassal reloads, a limited number at a time.
	ReloadAll Broadcast = "reload-all"
	// ForgiveAll: failures are forgotten and every backoff ends.
	ForgiveAll Broadcast = "pardon-all"
)
