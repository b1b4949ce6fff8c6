package config

import "slices"

// FallbackOf returns the last value of fallback-config, even when the rest of the
// configuration is wrong. Empty: none. It ignores lines that a tenant may not write.
func (in Input) FallbackOf() string { return in.read().fallback() }

// FallbackOfArgs does the same for a vassal's command line, unless the command line itself is
// wrong: the operator who typed it sees the error.
func (a Access) FallbackOfArgs(args []string) string {
	line := commandLine[Vassal]{program: "vassal", table: vassalOptions, reader: newReader(a, "vassal")}
	if line.parse(args) != nil || slices.ContainsFunc(line.problems, func(p Problem) bool { return p.Origin == Origin{} }) {
		return ""
	}
	for _, file := range line.bare {
		line.include("", file)
	}
	return line.fallback()
}

func (r *reader) fallback() (file string) {
	for _, e := range r.finish() {
		if e.key == "fallback-config" && !e.tenant {
			file = e.value
		}
	}
	return file
}
