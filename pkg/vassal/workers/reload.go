package workers

import (
	"errors"
	"fmt"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// request is a wish to reload.
type request struct {
	why   string
	order *wire.Order // with other bytes, to be answered; nil: the same again
}

// maxReaders bounds the readings of options that block, of which only the last counts.
const maxReaders = 4

// ErrAnew is wrapped by the error of prepare when only a new process can take over what
// was read. It is the emperor's to start.
var ErrAnew = errors.New("a new process is needed")

var (
	errStopping  = errors.New("the vassal is stopping")
	errOvertaken = errors.New("a later order came before this one took effect")
)

// reload starts a new crew beside the one that serves, which leaves when the new
// one is ready. One at a time: what comes meanwhile is done after it, and of
// those only the last. An order does not wait for options that are still being read,
// which may take for ever.
func (m *master) reload(r request) {
	switch {
	case m.stopped:
		m.answer(r, errStopping)
	case m.reading != 0 && r.order != nil && m.readers < maxReaders:
		for _, earlier := range append(m.wanted, m.current) {
			m.answer(earlier, errOvertaken)
		}
		m.wanted = nil
		m.change(r)
	case m.reloading():
		m.wanted = append(m.wanted, r)
	default:
		m.change(r)
	}
}

func (m *master) reloading() bool {
	return m.next != nil || m.reading != 0 || m.trial.before != nil || m.undoing != nil
}

// change begins a reload: its options are read beside the loop.
func (m *master) change(r request) {
	m.reads++
	m.readers++
	m.current, m.reading = r, m.reads
	id := m.reading
	go func() { m.post(Event{kind: wasRead, id: id, prepare: m.Read(r.order)}) }()
}

// read goes on with the reload whose options have been read, unless it is no longer
// the one that counts.
func (m *master) read(id uint64, prepare func() (*Plan, error)) {
	m.readers--
	if m.stopped || id != m.reading {
		return
	}
	m.reading = 0
	p, err := prepare()
	switch {
	case errors.Is(err, ErrAnew) && m.current.order == nil:
		m.Answer(0, wire.Renew, m.current.why)
		m.stop(fmt.Sprintf("%v: %s", err, m.current.why))
		return
	case err != nil:
		m.abandon(err)
		return
	case p.Unchanged && m.plan().Workers.ReloadSignal != 0 && m.crew.complete() && !m.asleep:
		m.signalReload(p)
		return
	}
	m.stopRolling()
	m.phase(hooks.AsUserAtexit, "")
	m.next = newCrew(p)
	if m.asleep && p.Idle.Cheap { // nobody to start
		m.crew, m.next = m.next, m.crew
		m.exchangeAsleep()
		return
	}
	if p.StopFirst && !m.asleep {
		m.yield()
	}
	m.muster(m.next)
	m.settle()
}

// exchangeAsleep takes over a plan while there are no workers.
func (m *master) exchangeAsleep() {
	before := m.next.plan
	m.next = nil
	m.commit()
	m.stopListening()
	m.sleep()
	m.follow(before)
	m.conclude(nil)
}

// abandon gives the reload up; those who serve go on.
func (m *master) abandon(err error) {
	if m.next != nil {
		next := m.next
		m.next = nil
		for _, w := range next.all() {
			m.dismiss(w)
		}
		if next.plan.Discard != nil {
			next.plan.Discard()
		}
		if m.yielded && !m.stopped {
			m.resume(err)
			return
		}
	}
	if m.undoing != nil {
		err = fmt.Errorf("%w; %w", m.undoing, err)
	}
	m.reading, m.trial.before, m.undoing = 0, nil, nil
	if !m.stopped {
		m.Log.Error("cannot reload: the old workers stay", "why", m.current.why, "error", err)
	}
	m.listenAgain()
	m.conclude(err)
}

// conclude answers for the reload in progress and goes on with the next.
func (m *master) conclude(err error) {
	m.answer(m.current, err)
	if err == nil && m.Orders == nil { // a uWSGI Emperor knows no other answer
		m.Report(wire.Accepting)
	}
	m.current = request{}
	if len(m.wanted) == 0 {
		if why := m.rollNext; why != "" {
			m.rollNext = ""
			m.rollAll(why)
		}
		return
	}
	// The last order counts; a trigger behind it must not undo its bytes.
	r := m.wanted[0]
	for _, later := range m.wanted[1:] {
		if later.order != nil || r.order == nil {
			r, later = later, r
		}
		m.answer(later, errOvertaken)
	}
	m.wanted = nil
	m.reload(r)
}

// answer tells the emperor what became of its order, or of a reload that it did not
// order.
func (m *master) answer(r request, err error) {
	switch {
	case r.order == nil:
		m.tell(r.why, err)
	case errors.Is(err, ErrAnew):
		m.Answer(r.order.Serial, wire.Anew, err.Error())
	case errors.As(err, &restarted{}):
		m.Answer(r.order.Serial, wire.Undone, err.Error())
	case err != nil:
		m.Answer(r.order.Serial, wire.Failed, err.Error())
	default:
		m.Answer(r.order.Serial, wire.Ready, "")
	}
}

// tell tells the emperor that a reload which it did not order has failed, and when one
// succeeds after that.
func (m *master) tell(why string, err error) {
	switch {
	case err == nil && m.unwell:
		m.unwell = false
		m.Answer(0, wire.Ready, "")
	case err != nil && !m.stopped && !errors.Is(err, errOvertaken):
		m.unwell = true
		m.Answer(0, wire.Failed, why+": "+err.Error())
	}
}
