package workers

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// succession is everything that a reload can do to the programs of a vassal. The loop calls a reload,
// and the reload calls these methods; none of them blocks. A method may bring further inputs of the
// reload before it returns. why is for logs.
type succession interface {
	// position returns the facts on which the course of a reload depends.
	position() position
	// reread asks the programs in effect to read their own files again. Their plan stays.
	reread(why string)

	// start starts the crew of a plan beside the crew in effect. switchTo ends the workers in effect
	// first. The crew is the next one until takeOver, takeOnTrial, stay, refill or drop. adopt puts a
	// plan into effect at once, because no workers run and none are wanted.
	start(p *Plan)
	switchTo(p *Plan, why string)
	adopt(p *Plan)
	// takeOver puts the next crew and its plan into effect and commits the plan; the old workers leave.
	// takeOnTrial does not commit, and returns the plan before: commit or restore follows.
	takeOver(why string)
	takeOnTrial(why string) (before *Plan)

	// probeDaemons probes the daemons in effect, unless they need no probe or have answered.
	probeDaemons()
	// commit commits the plan in effect. restore discards it, and starts an earlier plan again.
	commit()
	restore(before *Plan)

	// drop ends the next crew, if there is one, and discards its plan. stay does too, and the programs
	// in effect continue: without workers, they wait for the next connection. refill does too, and
	// starts the workers in effect again, which switchTo has ended.
	drop()
	stay()
	refill()

	// roll replaces the workers in effect one after the other, and examine checks their limits. Neither
	// is a part of a reload, but they wait while one replaces the workers.
	roll(why string)
	examine()
}

// position has the facts on which the course of a reload depends.
type position struct {
	asleep   bool // no workers run until the next connection
	complete bool // each worker in effect is ready
	workers  int  // slots of the crew in effect
	rereads  bool // the programs in effect have a reload signal
}

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

// reload is the course of the reloads of a vassal. One runs at a time; of the requests that come
// meanwhile, the last one is done next. A reload works by its succession and four functions, and knows
// nothing else of the master.
type reload struct {
	service succession
	// options reads the options of an order outside of the loop, or for nil the same source again. The
	// result comes back by read with the same id.
	options func(id uint64, order *wire.Order)
	// stop stops the vassal.
	stop func(why string)
	// accepting tells an emperor without orders of a success, and answer tells the result of an order;
	// serial zero: of no order.
	accepting func()
	answer    func(serial uint64, kind wire.NoticeKind, text string)
	gap       gap
	log       *slog.Logger

	state     reloadState // assigned by step
	current   request     // in progress
	queue     []request   // came during the current one
	reads     uint64      // numbers the reads of options; only the last one is used, until the reload ends
	readers   int         // reads that have not returned
	before    *Plan       // trying: the plan to return to
	cause     error       // undoing: the failure of the reload
	postponed string      // the reason to replace all workers after the reload; empty: none
	failing   bool        // a failure of a reload that the emperor did not order was reported
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
func (r *reload) step(in reloadInput, d details) bool {
	next, do, listed := stepReload(r.state, in)
	r.state = next
	switch do {
	case doRead:
		r.begin(d.request)
	case doReadAgain:
		for _, earlier := range append(r.queue, r.current) {
			r.reply(earlier, errOvertaken)
		}
		r.queue = nil
		r.begin(d.request)
	case doQueue:
		r.queue = append(r.queue, d.request)
	case doDecline:
		r.reply(d.request, errStopping)
	case doRenew:
		r.answer(0, wire.Renew, r.current.why)
		r.stop(fmt.Sprintf("%v: %s", d.err, r.current.why))
	case doSignal:
		d.plan.Candidate.discard()
		r.service.reread(r.current.why)
		r.conclude(nil)
	case doAdopt:
		r.service.adopt(d.plan)
		r.conclude(nil)
	case doStart:
		r.service.start(d.plan)
	case doSwitch:
		if at := r.service.position(); at.complete && at.workers > 0 {
			r.gap.begin()
		}
		r.service.switchTo(d.plan, r.current.why)
	case doTakeOver:
		r.gap.forget()
		r.takeOver()
	case doTry:
		r.gap.forget()
		r.try()
	case doReplaceOld:
		r.takeOver()
	case doTryInstead:
		r.try()
	case doProbeDaemons:
		r.service.probeDaemons()
	case doEndGap:
		r.gap.end()
	case doRoll:
		r.service.roll(d.why)
	case doRollLater:
		r.postponed = d.why
	case doExamine:
		r.service.examine()
	case doFinish:
		r.before = nil
		r.service.commit()
		r.gap.end()
		r.conclude(nil)
	case doKeep:
		r.log.Error("cannot reload: the old workers stay", "why", r.current.why, "error", d.err)
		r.service.stay()
		r.conclude(d.err)
	case doRestart:
		r.undo(d.err)
		r.service.refill()
	case doRestore:
		before := r.before
		r.undo(d.err)
		r.service.restore(before)
	case doUndone:
		r.undone(d.err)
	case doAbort:
		r.abort(d.err)
	}
	return listed
}

// ask requests a reload. An order does not wait for a pending read of options, which may block
// for ever.
func (r *reload) ask(q request) {
	in := reloadAsked
	if q.order != nil && r.readers < maxReaders {
		in = reloadOrdered
	}
	r.step(in, details{request: q})
}

// begin reads the options of a request.
func (r *reload) begin(q request) {
	r.reads++
	r.readers++
	r.current = q
	r.options(r.reads, q.order)
}

// read continues the reload after its options have been read, unless a later read has begun or the reload
// has ended.
func (r *reload) read(id uint64, prepare func() (*Plan, error)) {
	r.readers--
	if id != r.reads {
		return
	}
	p, err := prepare()
	r.step(r.decide(p, err), details{plan: p, err: err})
}

// decide returns the course of a reload to a plan.
func (r *reload) decide(p *Plan, err error) reloadInput {
	at := r.service.position()
	switch {
	case errors.Is(err, ErrAnew) && r.current.order == nil:
		return reloadAnew
	case err != nil:
		return reloadUnusable
	case p.Candidate.Unchanged && at.rereads && at.complete && !at.asleep:
		return reloadSignal
	case at.asleep && p.Idle.Cheap:
		return reloadAsleep
	case p.StopFirst && !at.asleep:
		return reloadStopFirst
	}
	return reloadBeside
}

// takeOver ends the reload with the new workers in the place of the old ones.
func (r *reload) takeOver() {
	r.service.takeOver(r.current.why)
	r.conclude(nil)
}

// try puts the new plan into effect, and waits for an answer of its daemons.
func (r *reload) try() {
	r.before = r.service.takeOnTrial(r.current.why)
	r.gap.begin()
	r.service.probeDaemons()
}

// undo notes the failure of a reload whose old workers or daemons have ended. The reload ends when the old
// configuration is ready again.
func (r *reload) undo(err error) {
	r.log.Error("cannot reload; starting the old configuration again", "why", r.current.why, "error", err)
	r.before, r.cause = nil, err
}

// undone ends a failed reload when the old configuration is ready again. An error means that it
// cannot start.
func (r *reload) undone(again error) {
	err := fmt.Errorf("%w%s", r.cause, wire.StartedAgain)
	if again != nil {
		err = fmt.Errorf("%w, and failed too: %w", err, again)
	}
	r.cause = nil
	r.conclude(restarted{err})
}

// restarted is the error of a reload after which the old configuration runs again.
type restarted struct{ error }

// abort ends the reload because the vassal stops. The result of a read is not used any more.
func (r *reload) abort(err error) {
	r.reads++
	r.service.drop()
	if r.cause != nil {
		err = fmt.Errorf("%w; %w", r.cause, err)
	}
	r.before, r.cause = nil, nil
	r.conclude(err)
}

// conclude answers the current request and begins the next one, or the work that waited for the end of the
// reload.
func (r *reload) conclude(err error) {
	r.reply(r.current, err)
	if err == nil && r.accepting != nil {
		r.accepting()
	}
	r.current = request{}
	if len(r.queue) == 0 {
		if why := r.postponed; why != "" {
			r.postponed = ""
			r.step(reloadRoll, details{why: why})
		}
		return
	}
	// The last order applies; a later trigger must not undo it.
	q := r.queue[0]
	for _, later := range r.queue[1:] {
		if later.order != nil || q.order == nil {
			q, later = later, q
		}
		r.reply(later, errOvertaken)
	}
	r.queue = nil
	r.ask(q)
}

// reply reports the result of a request to the emperor.
func (r *reload) reply(q request, err error) {
	kind := wire.Failed
	switch {
	case q.order == nil:
		r.report(q.why, err)
		return
	case err == nil:
		r.answer(q.order.Serial, wire.Ready, "")
		return
	case errors.Is(err, ErrAnew):
		kind = wire.Anew
	case errors.As(err, &restarted{}):
		kind = wire.Undone
	}
	r.answer(q.order.Serial, kind, err.Error())
}

// report reports the failure of a reload that the emperor did not order, and the first success
// after it.
func (r *reload) report(why string, err error) {
	switch {
	case err == nil && r.failing:
		r.failing = false
		r.answer(0, wire.Ready, "")
	case err != nil && !r.state.closed() && !errors.Is(err, errOvertaken):
		r.failing = true
		r.answer(0, wire.Failed, why+": "+err.Error())
	}
}

// gap measures the time without workers in a reload.
type gap struct {
	report   func(time.Duration)
	since    time.Time // zero: there is none
	reported bool      // a gap was reported to the emperor
}

func (g *gap) begin() { g.since = time.Now() }

// end reports the gap, if there is one.
func (g *gap) end() {
	if !g.since.IsZero() {
		g.report(time.Since(g.since))
		g.since, g.reported = time.Time{}, true
	}
}

// forget withdraws the gap of an earlier reload.
func (g *gap) forget() {
	if g.reported {
		g.report(0)
		g.reported = false
	}
}
