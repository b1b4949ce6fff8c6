package emperor

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// startZerg starts a zerg for a vassal that requests one, with the section zerg of the same
// file, within the limit.
func (e *Emperor) startZerg(v *vassal) {
	if v.parent != nil || e.stopping || e.zergs >= e.options.Broodlord || time.Now().Before(v.zergs.after) {
		return
	}
	number := 1
	for e.vassals.named[zergName(v.name, number)] != nil {
		number++
	}
	plan := *v.run.config
	plan.Zerg, plan.Name = Zerg{number, v.name}, zergName(v.name, number)
	z := newVassal(e, plan.Name, v.file.source)
	z.parent, z.wish.wanted = v, &plan
	e.vassals.add(z)
	e.zergs++
	v.log.Info("wants reinforcement", "zerg", z.name, "zergs", fmt.Sprintf("%d of %d", e.zergs, e.options.Broodlord))
	e.input(z, Want)
}

func zergName(name string, number int) string {
	if number == 1 {
		return name + ":zerg"
	}
	return name + ":zerg" + strconv.Itoa(number)
}

// zergFailures is the history of the zergs of a vassal.
type zergFailures struct {
	failures int       // in a row
	after    time.Time // the earliest time for another
}

// ended records the end of a zerg. A zerg is not restarted: its vassal requests another one,
// which has to wait when the last one failed or exited right after its start.
func (b *zergFailures) ended(o *Options, z *vassal) {
	switch {
	case z.outcome.failed, z.leaving().early(o.Backoff.Initial):
		b.failures++
		wait := o.Backoff.wait(b.failures, rand.Float64())
		b.after = time.Now().Add(wait)
		z.log.Warn("waiting before the next zerg", "wait", wait.Round(time.Millisecond), "failures", b.failures)
	case time.Since(z.history.at.lastRun) >= o.Backoff.Reset:
		b.failures = 0
	}
}

// stopZergs ends the zergs of a vassal that does not serve any more.
func (e *Emperor) stopZergs(v *vassal) {
	if e.zergs == 0 || v.parent != nil {
		return
	}
	for _, z := range e.vassals.named {
		if z.parent == v {
			e.withdraw(z)
		}
	}
}
