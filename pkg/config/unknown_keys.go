package config

import (
	_ "embed" // for the names
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/internal/words"
)

// unknownKeys collects messages about keys that no table contains. Most are placeholders or
// options of uWSGI without effect here, but a file that requests a confinement must not run
// unconfined.
type unknownKeys struct {
	strict bool
	// used are the keys that a value refers to, which makes them placeholders.
	used []string
	// names yields the options of the table, then options of uWSGI that may resemble a word.
	names func(word string) iter.Seq[string]
	// guards reports whether an option is about rights, and whether it may be repeated.
	guards func(option string) (guard, repeat bool)
	seen   []string
	// meant are the options that mistaken keys resemble.
	meant []string
	typos []typo
	// idle are keys that no value refers to and that resemble no option.
	idle []dialect.Entry
	// missed are keys that probably stand for an option about rights.
	missed []missed
}

// typo is a key that defines a placeholder and resembles an option.
type typo struct {
	key    string
	near   []string
	origin Origin
}

// missed is a key that probably stands for an option.
type missed struct {
	dialect.Entry
	option string
	sure   bool // the key has no other meaning
}

// check checks one key.
func (s *unknownKeys) check(e dialect.Entry, warnings, problems *Problems) {
	program := whose(e.Key)
	switch {
	case (uwsginames.Confines(e.Key) || limits(e.Key)) && program != "":
		problems.Add(e.Origin, e.Key, "an option of "+program+" that confines or prepares it and does nothing here", "move it to the file of "+program)
		return
	case uwsginames.Confines(e.Key):
		hint := "remove it only if the vassal may run without it"
		if remedy := uwsginames.Remedy(e.Key); remedy != "" {
			hint = remedy + "; " + hint
		}
		problems.Add(e.Origin, e.Key, "this option confines a vassal in uWSGI and is not supported here", hint)
		return
	}
	if slices.Contains(s.seen, e.Key) {
		return
	}
	s.seen = append(s.seen, e.Key)
	_, known := uwsginames.Lookup(e.Key)
	switch {
	case program != "":
		hint := uwsginames.RemedyInEmperor(e.Key)
		if program == emperors {
			hint = uwsginames.RemedyInVassal(e.Key)
		}
		warnings.Add(e.Origin, e.Key, "an option of "+program+" that does nothing here", hint)
	case known:
		warnings.Add(e.Origin, e.Key, "an option of uWSGI that does nothing here", uwsginames.Remedy(e.Key))
	case !slices.Contains(s.used, e.Key) && namesConfinement(e.Key):
		s.reportConfinement(e, problems)
	case s.strict:
		hint := "strict is on: make placeholders with set-placeholder = KEY=VALUE"
		if near := similar(e.Key, s.names(e.Key)); near != nil {
			hint = suggest.Question("", near...)
			s.meant = append(s.meant, near...)
		}
		problems.Add(e.Origin, e.Key, "unknown option", hint)
	case !slices.Contains(s.used, e.Key):
		s.suspect(e)
	}
}

// confinementText is the mistake of a key whose name suggests confinement.
const confinementText = "unknown option, but its name suggests confinement"

// reportConfinement reports a key whose name suggests confinement as a mistake. The hint has
// the spelling of the option, if one exists.
func (s *unknownKeys) reportConfinement(e dialect.Entry, problems *Problems) {
	hint := "remove it only if running without it is safe; set-placeholder makes a placeholder"
	option := optionSpelling(e.Key)
	switch {
	case option == "supplementary-groups":
		option = "add-gid"
	case strings.HasSuffix(option, "clone"), option == "emperor-namespaces":
		option = "emperor-use-clone"
	}
	if guard, _ := s.guards(option); guard {
		hint = "here it is " + option
	} else if program := whose(option); program != "" {
		hint = option + " in the file of " + program
	}
	problems.Add(e.Origin, e.Key, confinementText, hint)
}

// similar returns the options that resemble a key. A key of three letters, mostly a placeholder,
// resembles only options with the same letters.
func similar(key string, options iter.Seq[string]) []string {
	if len(key) != 3 {
		return suggest.Near(key, options)
	}
	return suggest.Near(key, func(yield func(string) bool) {
		for option := range options {
			if suggest.Letters(option) == suggest.Letters(key) && !yield(option) {
				return
			}
		}
	})
}

// suspect records a key that resembles an option.
func (s *unknownKeys) suspect(e dialect.Entry) {
	if name, sure := meant(e.Key, e.Value); name != "" {
		s.missed = append(s.missed, missed{e, name, sure})
	}
	key := optionSpelling(e.Key)
	near := similar(key, s.names(key))
	if near == nil {
		s.idle = append(s.idle, e)
		return
	}
	s.typos = append(s.typos, typo{e.Key, near, e.Origin})
	closest := suggest.Distance(key, near[0])
	for _, name := range near {
		if guard, _ := s.guards(name); (guard || uwsginames.Confines(name)) && suggest.Distance(key, name) == closest {
			s.missed = append(s.missed, missed{e, name, !doubtful(e.Key)})
			return
		}
	}
}

// refuse reports keys that probably stand for an option about rights as mistakes: otherwise the
// process would run as another user, or with more rights. A key that may be written on purpose
// is a mistake only when its option is not given.
func (s *unknownKeys) refuse(given func(option string) bool, problems *Problems) {
	reported := map[string]bool{}
	for _, m := range s.missed {
		if !m.sure && given(m.option) || reported[m.Key] {
			continue
		}
		reported[m.Key] = true
		s.typos = slices.DeleteFunc(s.typos, func(t typo) bool { return t.key == m.Key })
		s.idle = slices.DeleteFunc(s.idle, func(e dialect.Entry) bool { return e.Key == m.Key })
		switch identity := m.option == "uid" || m.option == "gid"; {
		case identity && !given(m.option):
			problems.Add(m.Origin, m.Key, "unknown option, and there is no "+m.option,
				fmt.Sprintf("%s = %s, or make a placeholder of it with set-placeholder", m.option, m.Value))
		case identity:
			problems.Add(m.Origin, m.Key, "unknown option, beside "+m.option, "remove it, or make a placeholder of it with set-placeholder")
		default:
			problems.Add(m.Origin, m.Key, "unknown option that resembles one about rights", suggest.Question("", m.option)+" set-placeholder makes a placeholder")
		}
	}
}

// report adds a warning about each key that resembles an option.
func (s *unknownKeys) report(warnings *Problems) {
	for _, t := range s.typos {
		*warnings = append(*warnings, Problem{
			Origin: t.origin, Key: t.key, What: "unknown key, which only defines a placeholder",
			Hint: suggest.Question("", t.near...) + " With strict = true it is a mistake", Meant: " " + strings.Join(t.near, " ") + " ",
		})
	}
}

// remainder is the part of a configuration that a table does not use.
type remainder struct {
	// wrong are the options with mistakes.
	wrong []string
	// idle are keys that resemble no option and that no value refers to.
	idle []dialect.Entry
}

// named limits the keys that report names.
const named = 20

// report adds one warning for each file with idle keys. It skips keys for several vassals,
// which another vassal may use.
func (m remainder) report(warnings *Problems) {
	of := map[string][]string{}
	first := []dialect.Entry{}
	for _, e := range m.idle {
		file := e.Origin.File
		switch {
		case e.Shared:
			continue
		case of[file] == nil:
			first = append(first, e)
		}
		key := e.Key
		if strings.ContainsAny(key, " \t") {
			key = strconv.Quote(words.Shorten(key))
		}
		of[file] = append(of[file], words.Shorten(key))
	}
	for _, e := range first {
		keys := of[e.Origin.File]
		list := strings.Join(keys[:min(named, len(keys))], ", ")
		if more := len(keys) - named; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		warnings.Add(e.Origin, "", "no option of uWSGI or of emperor: "+list,
			"ignored, and no value uses %(KEY): drop the line, or write set-placeholder = KEY=VALUE")
	}
}

// emperorNames are the names in the emperor's table. With this list a vassal whose file has a
// line for uWSGI does not build the table, which would stay in its memory. A test keeps the
// list current (make docs).
//
//go:embed emperor_names.txt
var emperorNames string

// emperors is the result of whose for an option of the emperor.
const emperors = "the emperor"

// anyOption reports whether a name is an option of the emperor, a vassal or uWSGI.
func anyOption(name string) bool {
	_, known := uwsginames.Lookup(name)
	return known || whose(name) != ""
}

// whose returns the program whose table contains an option. Empty: none.
func whose(key string) string {
	_, found := uwsginames.Search(emperorNames, key)
	switch {
	case found:
		return emperors
	case vassalOptions.find(key) != nil:
		return "a vassal"
	}
	return ""
}
