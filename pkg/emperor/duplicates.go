package emperor

// ignoreDuplicate records that a monitor has found a file that is ignored as long as v exists: another
// one with the same name, or the same one by another name.
func (v *vassal) ignoreDuplicate(o *Options, source int, p *Plan) {
	if _, known := v.file.duplicates[p.Path]; !known {
		there, here := o.Monitors[source].String(), o.Monitors[v.file.source].String()
		if p.Name == v.name {
			v.log.Error("there is another vassal of this name; that one is ignored", "there", there, "here", here)
			v.note(AboutConfig, "there is another vassal of this name in %s; that one is ignored", there)
		} else {
			v.log.Warn("its file is found by another name as well; that name is ignored", "ignored", p.Name, "there", there, "here", here)
			v.note(AboutConfig, "its file is found by the name %q in %s as well; that name is ignored", p.Name, there)
		}
	}
	if v.file.duplicates == nil {
		v.file.duplicates = map[string]int{}
	}
	v.file.duplicates[p.Path] = source
}
