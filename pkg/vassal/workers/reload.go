package workers

import (
	"errors"
	"fmt"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// request is a request to reload.
type request struct {
	why   string
	order *wire.Order // has new bytes and expects an answer; nil: read the same source again
}

// maxReaders limits the reads of options that block. Only the result of the last one is used.
const maxReaders = 4

// ErrAnew is the cause of an error of prepare when only a new process, which the emperor starts,
// can apply the options.
var ErrAnew = errors.New("a new process is needed")

var (
	errStopping  = errors.New("the vassal is stopping")
	errOvertaken = errors.New("a later order came before this one took effect")
)

// reloader is the reload of a master. One reload runs at a time; of the requests that come
// meanwhile, the last one is done next.
type reloader struct {
	m       *master
	state   reloadState // assigned by step
	current request     // in progress
	queue   []request   // came during the current one
	reads   uint64      // numbers the reads of options; only the last one is used, until the reload ends
	readers int         // reads that have not returned
	next    *crew       // starting or switching: the new workers; nil in any other state
	before  *Plan       // trying: the plan to return to
	cause   error       // undoing: the failure of the reload
	gap     gap
	failing bool // a failure of a reload that the emperor did not order was reported
}

// details are the data of an input of a reload.
type details struct {
	request request // asked, ordered
	plan    *Plan   // read
	why     string  // roll
	err     error   // anew, unusable, failed, silent, broken, stop
}

// step applies an input to the reload, and reports whether the table has it. No other function reads or
// assigns its state.
func (r *reloader) step(in reloadInput, d details) bool {
	next, do, listed := stepReload(r.state, in)
	r.state = next
	switch do {
	case doRead:
		r.begin(d.request)
	case doReadAgain:
		for _, earlier := range append(r.queue, r.current) {
			r.answer(earlier, errOvertaken)
		}
		r.queue = nil
		r.begin(d.request)
	case doQueue:
		r.queue = append(r.queue, d.request)
	case doDecline:
		r.answer(d.request, errStopping)
	case doRenew:
		r.m.options.Answer(0, wire.Renew, r.current.why)
		r.m.stop(fmt.Sprintf("%v: %s", d.err, r.current.why))
	case doSignal:
		r.signal(d.plan)
	case doAdopt:
		r.adopt(d.plan)
	case doStart:
		r.leavePlan()
		r.startNext(d.plan)
	case doSwitch:
		r.leavePlan()
		r.endOld()
		r.startNext(d.plan)
	case doTakeOver:
		r.gap.forget(r.m.options.Gap)
		r.takeOver()
		r.conclude(nil)
	case doTry:
		r.gap.forget(r.m.options.Gap)
		r.takeOnTrial()
	case doReplaceOld:
		r.takeOver()
		r.conclude(nil)
	case doTryInstead:
		r.takeOnTrial()
	case doProbeDaemons:
		if r.m.daemonsAnswer() {
			r.m.settle()
		}
	case doEndGap:
		r.gap.end(r.m.options.Gap)
	case doRoll:
		r.m.rolling.begin(d.why)
	case doRollLater:
		r.m.rolling.pending = d.why
	case doExamine:
		r.m.limits.examine(time.Now())
	case doFinish:
		r.before = nil
		r.m.base.plan.Candidate.commit()
		r.gap.end(r.m.options.Gap)
		r.conclude(nil)
	case doKeep:
		r.keep(d.err)
	case doRestart:
		r.restart(d.err)
	case doRestore:
		r.restore(d.err)
	case doUndone:
		r.undone(d.err)
	case doAbort:
		r.abort(d.err)
	}
	return listed
}

// ask requests a reload. An order does not wait for a pending read of options, which may block
// for ever.
func (r *reloader) ask(q request) {
	in := reloadAsked
	if q.order != nil && r.readers < maxReaders {
		in = reloadOrdered
	}
	r.step(in, details{request: q})
}

// begin reads the options of a request outside the loop.
func (r *reloader) begin(q request) {
	r.reads++
	r.readers++
	r.current = q
	id, m := r.reads, r.m
	go func() { m.base.post(optionsRead{id, m.options.Read(q.order)}) }()
}

// read continues the reload after its options have been read, unless a later read has begun or the reload
// has ended.
func (r *reloader) read(id uint64, prepare func() (*Plan, error)) {
	r.readers--
	if id != r.reads {
		return
	}
	p, err := prepare()
	r.step(r.decide(p, err), details{plan: p, err: err})
}

// decide returns the course of a reload to a plan.
func (r *reloader) decide(p *Plan, err error) reloadInput {
	m := r.m
	switch {
	case errors.Is(err, ErrAnew) && r.current.order == nil:
		return reloadAnew
	case err != nil:
		return reloadUnusable
	case p.Candidate.Unchanged && m.base.plan.Workers.ReloadSignal != 0 && m.crew.complete() && !m.idle.asleep:
		return reloadSignal
	case m.idle.asleep && p.Idle.Cheap:
		return reloadAsleep
	case p.StopFirst && !m.idle.asleep:
		return reloadStopFirst
	}
	return reloadBeside
}

// leavePlan runs the last hooks of the plan in effect, before a new plan is started.
func (r *reloader) leavePlan() {
	r.m.rolling.cancel()
	r.m.phase(hooks.AsUserAtexit, "")
}

// startNext starts the workers of a new plan.
func (r *reloader) startNext(p *Plan) {
	r.next = newCrew(p)
	r.m.fillAll(r.next)
	r.m.settle()
}

// adopt puts a plan into effect while there are no workers.
func (r *reloader) adopt(p *Plan) {
	m := r.m
	r.leavePlan()
	before := m.replaceCrew(newCrew(p)).plan
	p.Candidate.commit()
	m.idle.stopListening()
	m.idle.sleep()
	m.follow(before)
	r.conclude(nil)
}

// signal makes the programs read their own files again, because the vassal's file is unchanged.
func (r *reloader) signal(p *Plan) {
	m := r.m
	sig := m.base.plan.Workers.ReloadSignal
	p.Candidate.discard()
	m.signalPrograms(sig)
	m.daemons.tell(daemonReread)
	m.base.log.Info("the workers were asked to read their files again", "why", r.current.why, "signal", sig)
	r.conclude(nil)
}

// proven lets the new workers replace the old ones, when each is ready and has lived long enough.
func (r *reloader) proven() {
	if r.m.daemons.probed(r.next.plan) {
		r.step(reloadUntried, details{})
		return
	}
	r.step(reloadProven, details{})
}

// takeOver replaces the old workers by the new ones.
func (r *reloader) takeOver() {
	before := r.exchange()
	if r.m.base.plan != before {
		r.m.base.plan.Candidate.commit()
	}
	r.introduce(before)
}

// takeOnTrial does the same, and probes the new daemons. The plan is committed when one has answered.
func (r *reloader) takeOnTrial() {
	r.before = r.exchange()
	r.introduce(r.before)
	r.gap.begin()
	r.m.daemons.try()
}

// exchange puts the new workers and their plan into effect, and returns the plan before. The old workers
// leave.
func (r *reloader) exchange() (before *Plan) {
	m := r.m
	old := m.replaceCrew(r.next)
	r.next = nil
	m.rolling.slots = nil
	for _, w := range old.all() {
		m.dismiss(w)
	}
	m.idle.asleep = false
	m.crashes.recovered()
	m.idle.stopListening()
	return old.plan
}

// introduce continues everything beside the workers under the plan in effect, and runs the hooks of the new
// workers.
func (r *reloader) introduce(before *Plan) {
	m := r.m
	m.follow(before)
	for _, s := range m.crew.slots {
		if s.worker != nil && s.worker.state.ready() {
			m.accepts(s.worker)
		}
	}
	m.base.log.Info("workers replaced", "why", r.current.why, "workers", len(m.crew.slots))
}

// drop stops the new workers.
func (r *reloader) drop() {
	next := r.next
	if r.next = nil; next == nil {
		return
	}
	for _, w := range next.all() {
		r.m.dismiss(w)
	}
	next.plan.Candidate.discard()
}

// keep ends the reload with an error. The old workers continue.
func (r *reloader) keep(err error) {
	r.drop()
	r.m.base.log.Error("cannot reload: the old workers stay", "why", r.current.why, "error", err)
	r.m.idle.listenAgain()
	r.conclude(err)
}

// abort ends the reload because the vassal stops. The result of a read is not used any more.
func (r *reloader) abort(err error) {
	r.reads++
	r.drop()
	if r.cause != nil {
		err = fmt.Errorf("%w; %w", r.cause, err)
	}
	r.before, r.cause = nil, nil
	r.conclude(err)
}

// conclude answers the current request and begins the next one.
func (r *reloader) conclude(err error) {
	r.answer(r.current, err)
	if err == nil && r.m.options.Orders == nil { // a uWSGI Emperor knows no other answer
		r.m.options.Report(wire.Accepting)
	}
	r.current = request{}
	if len(r.queue) == 0 {
		r.m.rolling.resume()
		return
	}
	// The last order applies; a later trigger must not undo it.
	q := r.queue[0]
	for _, later := range r.queue[1:] {
		if later.order != nil || q.order == nil {
			q, later = later, q
		}
		r.answer(later, errOvertaken)
	}
	r.queue = nil
	r.ask(q)
}

// answer reports the result of a reload to the emperor.
func (r *reloader) answer(q request, err error) {
	kind := wire.Failed
	switch {
	case q.order == nil:
		r.report(q.why, err)
		return
	case err == nil:
		r.m.options.Answer(q.order.Serial, wire.Ready, "")
		return
	case errors.Is(err, ErrAnew):
		kind = wire.Anew
	case errors.As(err, &restarted{}):
		kind = wire.Undone
	}
	r.m.options.Answer(q.order.Serial, kind, err.Error())
}

// report reports the failure of a reload that the emperor did not order, and the first success
// after it.
func (r *reloader) report(why string, err error) {
	switch {
	case err == nil && r.failing:
		r.failing = false
		r.m.options.Answer(0, wire.Ready, "")
	case err != nil && !r.m.base.stopped && !errors.Is(err, errOvertaken):
		r.failing = true
		r.m.options.Answer(0, wire.Failed, why+": "+err.Error())
	}
}

// gap measures the time without workers in a reload.
type gap struct {
	since    time.Time // zero: there is none
	reported bool      // a gap was reported to the emperor
}

func (g *gap) begin() { g.since = time.Now() }

// end reports the gap, if there is one.
func (g *gap) end(report func(time.Duration)) {
	if !g.since.IsZero() {
		report(time.Since(g.since))
		g.since, g.reported = time.Time{}, true
	}
}

// forget withdraws the gap of an earlier reload.
func (g *gap) forget(report func(time.Duration)) {
	if g.reported {
		report(0)
		g.reported = false
	}
}
