package emperor

import "slices"

// launchLine is the line of vassals that wait for their launch, and the number of launches that
// count against the limit. The zero value is ready.
type launchLine struct {
	waiting []*vassal // the first first
	busy    int
}

// add lets a vassal wait for its turn, and remove ends that.
func (l *launchLine) add(v *vassal) { l.waiting = append(l.waiting, v) }

func (l *launchLine) remove(v *vassal) {
	l.waiting = slices.DeleteFunc(l.waiting, func(q *vassal) bool { return q == v })
}

// next returns the vassal whose turn has come, with its place. Nil: none waits, or limit launches
// run.
func (l *launchLine) next(limit int) *vassal {
	if len(l.waiting) == 0 || l.busy >= limit {
		return nil
	}
	v := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.busy++
	v.slot = true
	return v
}

// release passes the place of a vassal, if it has one, to the next.
func (l *launchLine) release(v *vassal) {
	if v.slot {
		v.slot = false
		l.busy--
	}
}

// empty reports whether nothing waits and no launch counts.
func (l *launchLine) empty() bool { return len(l.waiting) == 0 && l.busy == 0 }
