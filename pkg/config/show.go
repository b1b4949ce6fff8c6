package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Shown is returned when a parsed command line has --show-config. Text is to be printed.
type Shown struct{ Text string }

func (Shown) Error() string { return "the configuration is shown" }

// show returns the answer to --show-config: the list as `uwsgi --show-config` prints it, or
// its mistakes. It returns nil without --show-config.
func (c *commandLine[T]) show() error {
	if !c.shows {
		return nil
	}
	if err := append(c.problems, strictProblems(c.entries)...).err(); err != nil {
		return err
	}
	return Shown{showConfig(c.entries)}
}

// showConfig prints the list as uWSGI does. An option without a value is true.
func showConfig(entries []entry) string {
	var b strings.Builder
	b.WriteString(";uWSGI instance configuration\n[uwsgi]\n")
	for _, e := range entries {
		value := e.value
		if e.bare {
			value = "true"
		}
		b.WriteString(e.key + " = " + value + "\n")
	}
	b.WriteString(";end of configuration\n")
	return b.String()
}

// strictProblems returns the keys that are errors in strict mode. As for uWSGI an option of
// any of the programs is known.
func strictProblems(entries []entry) (problems Problems) {
	if !slices.ContainsFunc(entries, func(e entry) bool { return e.key == "strict" && option.ParseBool(e.value) }) {
		return nil
	}
	for _, e := range entries {
		if !e.own && !isOption(e.key) {
			problems.add(e.origin, e.key, "unknown option", "strict is on")
		}
	}
	return problems
}
