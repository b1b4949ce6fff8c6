package emperor

import "slices"

// round is the reload of all vassals, a limited number at a time. The zero value is ready.
type round struct {
	queue     []*vassal // that wait for their turn, in order
	begun     int       // how often all were to be reloaded
	checks    int       // that are under way before their vassals join the queue
	reloading int       // vassals that reload now, in a round or not; effects of the life table count them
}

// add lets a vassal wait for its turn.
func (r *round) add(v *vassal) { r.queue = append(r.queue, v) }

// contains reports whether a vassal waits for its turn.
func (r *round) contains(v *vassal) bool { return slices.Contains(r.queue, v) }

// next returns the vassals whose turn has come, so that at most limit reload at a time. Vassals
// that cannot reload any more have lost their turn.
func (r *round) next(limit int) (turn []*vassal) {
	for len(r.queue) > 0 && r.reloading+len(turn) < limit {
		v := r.queue[0]
		if r.queue = r.queue[1:]; v.takes(Refresh) {
			turn = append(turn, v)
		}
	}
	return turn
}

// rolling reports whether vassals reload, or wait for it.
func (r *round) rolling() bool { return len(r.queue)+r.checks+r.reloading > 0 }
