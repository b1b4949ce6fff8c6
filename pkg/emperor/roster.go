package emperor

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// roster has the records of all vassals. Make it with newRoster.
type roster struct {
	named  map[string]*vassal        // by name
	placed map[monitor.Entry]*vassal // by the places of their files
	gone   map[string]goneVassal     // by name, for a minute
	tidied time.Time                 // when older ones of them were dropped
	// owned counts the vassals of tenants by owner, and refused are the owners who wanted more.
	owned   map[uint32]int
	refused map[uint32]bool
	joins   bool // a vassal is, or was, for the network of another one
}

// goneVassal is the memory of a vassal whose file is gone.
type goneVassal struct {
	since time.Time
	churn churn
	owner uint32
}

func newRoster() roster {
	return roster{
		named: map[string]*vassal{}, placed: map[monitor.Entry]*vassal{}, gone: map[string]goneVassal{}, owned: map[uint32]int{},
		refused: map[uint32]bool{},
	}
}

// add adds a record. It has the churn of a vassal with that name that has gone lately, for a file that
// is removed and added repeatedly.
func (r *roster) add(v *vassal) {
	r.named[v.name] = v
	if v.parent != nil {
		return
	}
	a, known := r.gone[v.name]
	if delete(r.gone, v.name); known && time.Since(a.since) < churnQuiet && a.owner == v.file.owner.uid {
		v.outcome.churn, v.wish.returned = a.churn, true
	}
}

// remove drops the record of a vassal that is gone.
func (r *roster) remove(v *vassal) {
	delete(r.named, v.name)
	r.place(v, monitor.Entry{})
	now := time.Now()
	if now.Sub(r.tidied) >= churnQuiet { // and not for each of thousands
		maps.DeleteFunc(r.gone, func(_ string, a goneVassal) bool { return now.Sub(a.since) >= churnQuiet })
		r.tidied = now
	}
	if v.parent == nil && (v.run.generation > 0 || v.wish.returned) {
		r.gone[v.name] = goneVassal{now, v.outcome.churn, v.file.owner.uid}
	}
}

// reading reports whether the file of a vassal is still being read for the first time.
func (r *roster) reading() bool {
	for _, v := range r.named {
		if v.wish.fault == monitor.ErrReading.Error() {
			return true
		}
	}
	return false
}

// sorted returns the vassals by name.
func (r *roster) sorted() []*vassal {
	return slices.SortedFunc(maps.Values(r.named), func(a, b *vassal) int { return strings.Compare(a.name, b.name) })
}

// place records the place of a vassal's file. The zero Entry: not known, or none.
func (r *roster) place(v *vassal, at monitor.Entry) {
	if v.file.entry == at {
		return
	}
	if r.placed[v.file.entry] == v {
		delete(r.placed, v.file.entry)
	}
	if v.file.entry = at; at != (monitor.Entry{}) {
		r.placed[at] = v
	}
}

// forgetMoved forgets the places of a monitor's vassals that have moved: two may have changed
// places.
func (r *roster) forgetMoved(source int, plans []*Plan) {
	for _, p := range plans {
		if v := r.named[p.Name]; v != nil && v.file.source == source && v.file.entry != p.Entry {
			r.place(v, monitor.Entry{})
		}
	}
}
