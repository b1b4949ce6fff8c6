// Package uwsginames lists the options of uWSGI that are not options here: their names, their
// replacements, and the options without which a vassal must not run. It imports no table.
package uwsginames

import (
	"cmp"
	_ "embed" // for the names
	"iter"
	"math"
	"strings"
)

// The options of uWSGI 2.0 and of its plugins, one a line, sorted by length and name, with = after
// options that need a value and ? after options that may have one. The first list is the
// output of `uwsgi --help`. They are searched in place, so that they cost nothing until they
// are used.
var (
	//go:embed uwsgi_options.txt
	options string
	//go:embed uwsgi_plugin_options.txt
	pluginOptions string
)

// letters are uWSGI's options of one letter.
const letters = "A=sharedarea C=chmod-socket H=home L=disable-logging M=master Q=spooler R=max-requests S=set T=enable-threads " +
	"a=abstract-socket b=buffer-size c=cgi-mode d=daemonize h=help i=single-interpreter j=json l=listen m=memory-report " +
	"p=processes r=reaper s=socket t=harakiri v=max-vars w=module x=xml y=yaml z=socket-timeout"

// Shape is whether an option has a value.
type Shape byte

// The shapes of options.
const (
	// Flag has yes or no as its value, or none.
	Flag Shape = '\n'
	// NeedsValue may not stand alone, and OptionalValue may.
	NeedsValue    Shape = '='
	OptionalValue Shape = '?'
)

// Lookup reports whether uWSGI 2.0 or one of its plugins has the option, and its shape.
func Lookup(name string) (s Shape, known bool) {
	for _, list := range []string{options, pluginOptions} {
		if s, known := Search(list, name); known {
			return s, true
		}
	}
	return 0, false
}

// Compare is the order of names in a list: by length, so that words that resemble each other
// are neighbours, then by name.
func Compare(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// Search finds a name in a list, whose lines are sorted by Compare, by binary search in its
// text.
func Search(list, name string) (s Shape, known bool) {
	for list != "" {
		middle := strings.LastIndexByte(list[:len(list)/2], '\n') + 1 // the beginning of a line
		end := middle + strings.IndexByte(list[middle:], '\n') + 1
		at, s := split(list[middle:end])
		switch order := Compare(name, at); {
		case order == 0:
			return s, true
		case order < 0:
			list = list[:middle]
		default:
			list = list[end:]
		}
	}
	return 0, false
}

// split divides a line of a list.
func split(line string) (name string, s Shape) {
	line = line[:len(line)-1]
	if s = Shape(line[len(line)-1]); s == NeedsValue || s == OptionalValue {
		return line[:len(line)-1], s
	}
	return line, Flag
}

// All yields all names of uWSGI and its plugins.
func All(yield func(string) bool) { Between(0, math.MaxInt)(yield) }

// Between yields the names of uWSGI and its plugins with at least and at most that many bytes.
func Between(least, most int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range []string{options, pluginOptions} {
			for line := range strings.Lines(from(list, least)) {
				name, _ := split(line)
				if len(name) > most {
					break
				}
				if !yield(name) {
					return
				}
			}
		}
	}
}

// from returns the part of a list from the first name with at least that many bytes.
func from(list string, least int) string {
	rest := list
	for list != "" {
		middle := strings.LastIndexByte(list[:len(list)/2], '\n') + 1
		end := middle + strings.IndexByte(list[middle:], '\n') + 1
		if name, _ := split(list[middle:end]); len(name) < least {
			rest, list = rest[end:], list[end:]
		} else {
			list = list[:middle]
		}
	}
	return rest
}

// Letter returns the option for a letter, or "".
func Letter(letter string) string {
	for pair := range strings.FieldsSeq(letters) {
		if name, ok := strings.CutPrefix(pair, letter+"="); ok {
			return name
		}
	}
	return ""
}

// RemedyInVassal returns the replacement, in a vassal's file, for an option of the emperor's
// own process, or "".
func RemedyInVassal(name string) string {
	switch name {
	case "daemonize", "daemonize2", "logto", "logto2":
		return "log = FILE"
	case "log-backupname", "log-maxsize", "log-reopen", "log-truncate", "touch-logreopen", "touch-logrotate":
		return "logrotate: a file that log names is opened again when it is renamed"
	case "flock", "flock2", "flock-wait", "flock-wait2":
		return "one vassal has one process: drop the line"
	case "emperor-network":
		return "network = routed"
	case "max-fd":
		return "max-fd in the emperor's file, for all vassals"
	}
	return "this belongs in the emperor's file"
}

// RemedyInEmperor returns the advice for an option of a vassal in the emperor's own file.
func RemedyInEmperor(name string) string {
	switch name {
	case "die-on-term", "vacuum":
		return "it is always so for the emperor, drop the line"
	}
	return "this belongs in a vassal's file, or in the file of vassals-include for all of them"
}
