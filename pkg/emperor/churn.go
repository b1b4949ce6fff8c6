package emperor

import (
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
)

const (
	// churnPause is the pause after the first change of a file that needs a new process.
	churnPause = time.Second
	// churnQuiet is how long a file must be left alone for its changes to be forgotten.
	churnQuiet = time.Minute
)

// churn is the rate of changes of a vassal's file that need a new process. The zero value is a
// file without changes.
type churn struct {
	last  time.Time     // the time of the last such change
	pause time.Duration // from then until the next one may take effect
	hasty bool          // a change has come within that pause
	// excused reports that an operator asked for the next process, which then does not wait.
	// Changes after it do.
	excused bool
}

// next returns the churn after a change that needs a new process now. The pause doubles while
// changes come within it, up to longest.
func (c churn) next(now time.Time, longest time.Duration) churn {
	pause := c.pause
	switch {
	case c.last.IsZero() || now.Sub(c.last) >= churnQuiet:
		pause = churnPause
	case c.hasty:
		pause = backoff.Double(pause, longest)
	}
	return churn{last: now, pause: min(pause, longest)} // excused ends here
}

// until returns when the next change may take a new process.
func (c churn) until() time.Time { return c.last.Add(c.pause) }

// tooSoon reports whether a change has to wait now.
func (c churn) tooSoon(now time.Time) bool { return !c.excused && now.Before(c.until()) }

// replaceProcess gives a vassal the new process that a change of its file needs: now, or later when such
// changes are too frequent.
func (e *Emperor) replaceProcess(v *vassal) {
	if v.outcome.churn.tooSoon(time.Now()) {
		v.outcome.wake()
		e.input(v, Soon)
		return
	}
	v.forgive()
	v.outcome.retry()
	e.input(v, Replace)
}

// outdated reports whether its next process will have a newer file than the last one.
func (v *vassal) outdated() bool {
	return v.wish.wanted != nil && (v.wish.returned || v.run.generation > 0 && !v.wish.wanted.same(v.run.config) && !v.reverted())
}

// countChange records that a change of the file takes effect by a new process, or while none
// runs.
func (v *vassal) countChange(longest time.Duration) {
	v.forgive()
	v.outcome.churn, v.wish.returned = v.outcome.churn.next(time.Now(), longest), false
}

// unthrottle ends the wait of a change, because an operator does not wait, and reports
// whether a change waited: the caller pursues it. The pause of later changes keeps its length.
func (o *outcome) unthrottle() (waited bool) {
	waited = o.paused != nil
	o.churn.excused = time.Now().Before(o.churn.until())
	o.cancelPaused()
	return waited
}

// postpone makes the newest file of a vassal wait while its process continues.
func postpone(_ *Options, v *vassal) {
	if v.outcome.paused != nil {
		return
	}
	wait := time.Until(v.outcome.churn.until())
	calm := &pausedChange{v: v}
	calm.timer = time.AfterFunc(wait, func() { v.post(calm) })
	v.outcome.paused = calm
	shown := wait.Round(time.Millisecond)
	v.log.Warn("its file changes too often: the new process waits", "wait", shown)
	v.note(AboutReload, "its file changes too often: the new process waits %v", shown)
}

// whyThrottled is the reason why a vassal waits, or the newest file of one that runs.
const whyThrottled = "its file changes too often"

// pausedChange: the pause of a waiting change is over.
type pausedChange struct {
	v     *vassal
	timer *time.Timer
}

func (c *pausedChange) apply(e *Emperor) {
	if c.v.outcome.paused != c {
		return
	}
	c.v.outcome.paused = nil
	e.applyWanted(c.v)
}

// cancelPaused forgets a waiting change that has no effect any more.
func (o *outcome) cancelPaused() {
	if o.paused != nil {
		o.paused.timer.Stop()
		o.paused = nil
	}
}

// hold begins the pause before a launch that a change of the file has caused too early.
func hold(_ *Options, v *vassal) {
	wait := time.Until(v.outcome.churn.until())
	shown := wait.Round(time.Millisecond)
	v.log.Warn("its file changes too often: waiting before the next launch", "wait", shown)
	v.note(AboutBackoff, "next launch in %v, its file changes too often", shown)
	v.arm(wait)
}
