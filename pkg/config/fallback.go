package config

import "slices"

// FallbackOf returns what fallback-config says last, however much else is wrong
// with the configuration. Empty: nothing. What a tenant may not say does not count.
func (in Input) FallbackOf() string { return in.read().fallback() }

// FallbackOfArgs does the same for a vassal's command line, unless the mistake is on
// that itself: whoever typed it is there to see it.
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
