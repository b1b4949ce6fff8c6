package emperor

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// one of permits refuses does not exist for the client; the loop calls them, so they must be fast.
func (e *Emperor) Do(ctx context.Context, name string, verb Verb, permits ...func(Record) bool) (r Record, err error) {
	asked := e.ask(ctx, func() {
		v := e.vassals.named[name]
		if v == nil || slices.ContainsFunc(permits, func(permit func(Record) bool) bool { return !permit(v.record(&e.options)) }) {
			err = UnknownError{name}
			return
		}
		err = e.carryOut(v, verb)
		r = v.record(&e.options)
	})
	return r, errors.Join(asked, err)
}

func (e *Emperor) carryOut(v *vassal, verb Verb) error {
	if e.stopping {
		return ErrStopping
	}
	v.log.Info("operator: " + string(verb))
	v.note(AboutOperator, "%s", verb)
	if v.outcome.unthrottle() {
		defer e.applyWanted(v)
	}
	switch verb {
	case Start:
		if v.wish.wanted == nil {
			return fmt.Errorf("its configuration cannot be used: %s", v.wish.fault)
		}
		v.wish.held = false
		v.forgive()
		e.input(v, Begin)
	case Stop:
		if v.history.at.accepting.IsZero() { // it boots
			e.input(v, StopAgain)
		}
		v.wish.held = true
		e.input(v, Drop)
	case Restart:
		if v.wish.fault != "" && (v.wish.wanted == nil || v.wish.wanted.Err == nil) { // the next process would not have the newest configuration
			return fmt.Errorf("its configuration cannot be used: %s", v.wish.fault)
		}
		v.wish.held = false
		v.forgive()
		v.outcome.retry()
		e.input(v, Want)
	case Reload:
		return e.reloadOne(v)
	case Reset:
		v.forgive()
		v.outcome.churn = churn{}
		e.input(v, Renewed)
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
	return nil
}

// reloadOne refuses a reload that cannot succeed, so that no client waits for it.
func (e *Emperor) reloadOne(v *vassal) error {
	if v.wish.fault != "" {
		return fmt.Errorf("its configuration cannot be used: %s", v.wish.fault)
	}
	if e.input(v, ReloadAsked) {
		return nil
	}
	text := string(v.state)
	if why := v.situation(&e.options).resting(); why != "" {
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
