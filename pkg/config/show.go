package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Shown is returned when a parsed command line has --show-config. The caller prints Text.
type Shown struct{ Text string }

func (Shown) Error() string { return "the configuration is shown" }

// show answers --show-config: it returns the list as `uwsgi --show-config` prints it, or the
// mistakes in it. It returns nil without --show-config.
func (c *commandLine[T]) show(r dialect.Result) error {
	if !c.shows {
		return nil
	}
	if err := append(r.Problems, strictProblems(r.Written)...).Err(); err != nil {
		return err
	}
	return Shown{showConfig(r.Written)}
}

// showConfig formats the list as uWSGI does. The value of an option without one is true.
func showConfig(entries []dialect.Entry) string {
	var b strings.Builder
	b.WriteString(";uWSGI instance configuration\n[uwsgi]\n")
	for _, e := range entries {
		value := e.Value
		if e.Bare {
			value = "true"
		}
		b.WriteString(e.Key + " = " + value + "\n")
	}
	b.WriteString(";end of configuration\n")
	return b.String()
}

// strictProblems returns the keys that are errors in strict mode. As in uWSGI, an option of any
// of the programs is known.
func strictProblems(entries []dialect.Entry) (problems Problems) {
	if !slices.ContainsFunc(entries, func(e dialect.Entry) bool { return e.Key == "strict" && option.ParseBool(e.Value) }) {
		return nil
	}
	for _, e := range entries {
		if !e.Handled && !anyOption(e.Key) {
			problems.Add(e.Origin, e.Key, "unknown option", "strict is on")
		}
	}
	return problems
}
