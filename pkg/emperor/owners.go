package emperor

import (
	"fmt"
	"maps"
	"slices"
)

// owner is the user whose vassal a record is, where vassals belong to the owners of their files. The zero
// value: the vassal is the operator's, or its owner is not known yet.
type owner struct {
	known bool
	uid   uint32
	// counted: the vassal counts for its owner. heir: the file belongs to another user by now.
	counted, heir bool
}

func ownerOf(p *Plan) owner { return owner{known: p.Owned, uid: p.UID} }

// may takes over the first known owner, and reports whether a configuration is the same owner's. The same
// name with another owner is another vassal.
func (o *owner) may(p *Plan) bool {
	if !o.known && p.Owned {
		o.known, o.uid = true, p.UID
	}
	return !p.Owned || p.UID == o.uid
}

// succeed ends a vassal whose file belongs to another user by now. The vassal of that user begins when
// nothing is left of this one.
func succeed(e *Emperor, v *vassal, p *Plan) {
	if !v.file.owner.heir {
		v.log.Warn("its file has another owner, and is another vassal", "uid", p.UID, "before", v.file.owner.uid)
		v.file.owner.heir = true
	}
	e.withdraw(v)
}

// inherit begins the vassals that waited for the end of this one: of another owner at its path, and
// of its own owner, who had too many.
func inherit(e *Emperor, v *vassal) {
	if e.vassals.leave(v) {
		for _, source := range slices.Sorted(maps.Keys(e.sets)) {
			e.reconcile(source, e.sets[source])
		}
	} else if v.file.owner.heir {
		e.reconcile(v.file.source, e.sets[v.file.source])
	}
}

// admit counts a usable vassal of a tenant, or returns an error when its owner has most vassals already.
// Zero: there is no limit.
func (r *roster) admit(v *vassal, p *Plan, most int) error {
	if most == 0 || p.Err != nil || !p.Tenant || v.file.owner.counted {
		return nil
	}
	if r.owned[p.UID] >= most {
		r.refused[p.UID] = true
		return fmt.Errorf("%s: belongs to uid %d, who has %d vassals, as many as emperor-tyrant-max permits: not started (remove another one)", p.Path, p.UID, most)
	}
	r.owned[p.UID]++
	v.file.owner.counted = true
	return nil
}

// leave undoes admit, and reports whether another vassal of that owner was refused.
func (r *roster) leave(v *vassal) (others bool) {
	if !v.file.owner.counted {
		return false
	}
	v.file.owner.counted = false
	uid := v.file.owner.uid
	if r.owned[uid]--; r.owned[uid] == 0 {
		delete(r.owned, uid)
	}
	others = r.refused[uid]
	delete(r.refused, uid)
	return others
}
