package emperor

import "github.com/emperor-go/emperor/pkg/emperor/monitor"

// forgetMoved forgets the places of a monitor's vassals that have moved: two may have changed
// places.
func (e *Emperor) forgetMoved(source int, plans []Plan) {
	for _, p := range plans {
		if v := e.vassals[p.Name]; v != nil && v.source == source && v.entry != p.Entry {
			e.setEntry(v, monitor.Entry{})
		}
	}
}

// setEntry records the place of a vassal's file. The zero Entry: not known, or none.
func (e *Emperor) setEntry(v *vassal, at monitor.Entry) {
	if v.entry == at {
		return
	}
	if e.entries[v.entry] == v {
		delete(e.entries, v.entry)
	}
	if v.entry = at; at != (monitor.Entry{}) {
		e.entries[at] = v
	}
}

// ignoreDuplicate records that a monitor has found a file that is ignored as long as v exists: another
// one with the same name, or the same one by another name.
func (v *vassal) ignoreDuplicate(o *Options, source int, p Plan) {
	if _, known := v.duplicates[p.Path]; !known {
		there, here := o.Monitors[source].String(), o.Monitors[v.source].String()
		if p.Name == v.name {
			v.log.Error("there is another vassal of this name; that one is ignored", "there", there, "here", here)
			v.note(AboutConfig, "there is another vassal of this name in %s; that one is ignored", there)
		} else {
			v.log.Warn("its file is found by another name as well; that name is ignored", "ignored", p.Name, "there", there, "here", here)
			v.note(AboutConfig, "its file is found by the name %q in %s as well; that name is ignored", p.Name, there)
		}
	}
	if v.duplicates == nil {
		v.duplicates = map[string]int{}
	}
	v.duplicates[p.Path] = source
}
