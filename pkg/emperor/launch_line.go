package emperor

import "slices"

// launchLine is the line of vassals that wait for their launch, and the launches that count against the
// limit. The zero value is ready.
type launchLine struct {
	waiting   []*vassal // in order
	launching []*vassal // that have a place
}

// add lets a vassal wait for its turn, and remove ends that.
func (l *launchLine) add(v *vassal) { l.waiting = append(l.waiting, v) }

func (l *launchLine) remove(v *vassal) {
	l.waiting = slices.DeleteFunc(l.waiting, func(q *vassal) bool { return q == v })
}

// next returns the vassal whose turn has come, with its place. Nil: none waits, or limit launches
// run.
func (l *launchLine) next(limit int) *vassal {
	if len(l.waiting) == 0 || len(l.launching) >= limit {
		return nil
	}
	v := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.launching = append(l.launching, v)
	return v
}

// release passes the place of a vassal, if it has one, to the next.
func (l *launchLine) release(v *vassal) {
	l.launching = slices.DeleteFunc(l.launching, func(q *vassal) bool { return q == v })
}

// empty reports whether nothing waits and no launch counts.
func (l *launchLine) empty() bool { return len(l.waiting) == 0 && len(l.launching) == 0 }
