package config

// Flag is an option for completions.
type Flag struct {
	Name, Help string
	// NeedsValue is false when it may stand alone.
	NeedsValue bool
}

// EmperorFlags lists the options of the emperor's command line, sorted as in the help.
func EmperorFlags() []Flag {
	var list []Flag
	t := emperorOptions
	for _, g := range t.groups() {
		for _, o := range t.group(g) {
			list = append(list, Flag{o.Name, o.Help, o.NeedsValue()})
		}
	}
	return append(list, Flag{"ini", "read options from a file, here", true}, Flag{"version", "print the version", false})
}
