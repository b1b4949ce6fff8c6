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

// strangers collects messages about keys that are in no table. Most are placeholders or
// options of uWSGI without effect here, but a file that requests a confinement must not run
// unconfined.
type strangers struct {
	strict bool
	// used are the keys that some value refers to: certainly placeholders.
	used []string
	// names are the options of the table, then those of uWSGI that may resemble a word.
	names func(word string) iter.Seq[string]
	// guards returns whether an option is about rights, and whether another one of it would
	// add to the given ones.
	guards func(option string) (guard, repeat bool)
	seen   []string
	// meant are the options of keys that are mistakes.
	meant []string
	typos []typo
	// idle are keys that nothing refers to and that resemble no option.
	idle []dialect.Entry
	// missed are keys that were meant for an option about rights.
	missed []missed
}

// typo is a key that makes a placeholder and resembles an option.
type typo struct {
	key    string
	near   []string
	origin Origin
}

// missed is a key that was meant for an option.
type missed struct {
	dialect.Entry
	option string
	sure   bool // the key has no other meaning
}

// meet checks one key.
func (s *strangers) meet(e dialect.Entry, warnings, problems *Problems) {
	program := whose(e.Key)
	switch {
	case (uwsginames.Confines(e.Key) || limits(e.Key)) && program != "":
		problems.Add(e.Origin, e.Key, "an option of "+program+" that confines or prepares it and does nothing here", "move it to the file of "+program)
		return
	case uwsginames.Confines(e.Key):
		hint := "remove it only if the vassal may run without"
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
	case !slices.Contains(s.used, e.Key) && sounds(e.Key):
		s.sounding(e, problems)
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

// soundsText is the mistake of a key that sounds like confinement.
const soundsText = "it sounds like confinement, and no option is called so"

// sounding reports a key that sounds like confinement as a mistake, with the spelling of the
// option if there is one.
func (s *strangers) sounding(e dialect.Entry, problems *Problems) {
	hint := "remove it only if it may run without; a placeholder is made with set-placeholder"
	option := respelt(e.Key)
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
	problems.Add(e.Origin, e.Key, soundsText, hint)
}

// similar returns the options that resemble a key. Keys of three letters, most of which are
// placeholders, resemble only those with the same letters.
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

// suspect keeps a key that resembles an option.
func (s *strangers) suspect(e dialect.Entry) {
	if name, sure := meant(e.Key, e.Value); name != "" {
		s.missed = append(s.missed, missed{e, name, sure})
	}
	key := respelt(e.Key)
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

// refuse reports keys that were meant for an option about rights as mistakes: the process
// would run as another user, or with more rights. A key that may be intended counts only when
// its option is not given.
func (s *strangers) refuse(given func(option string) bool, problems *Problems) {
	told := map[string]bool{}
	for _, m := range s.missed {
		if !m.sure && given(m.option) || told[m.Key] {
			continue
		}
		told[m.Key] = true
		s.typos = slices.DeleteFunc(s.typos, func(t typo) bool { return t.key == m.Key })
		s.idle = slices.DeleteFunc(s.idle, func(e dialect.Entry) bool { return e.Key == m.Key })
		switch identity := m.option == "uid" || m.option == "gid"; {
		case identity && !given(m.option):
			problems.Add(m.Origin, m.Key, "unknown option, and there is no "+m.option, fmt.Sprintf("%s = %s, or make a placeholder of it with set-placeholder", m.option, m.Value))
		case identity:
			problems.Add(m.Origin, m.Key, "unknown option, beside "+m.option, "remove it, or make a placeholder of it with set-placeholder")
		default:
			problems.Add(m.Origin, m.Key, "unknown option, near to one that decides on rights", suggest.Question("", m.option)+" A placeholder is made with set-placeholder")
		}
	}
}

// report adds a warning about each key that resembles an option.
func (s *strangers) report(warnings *Problems) {
	for _, t := range s.typos {
		*warnings = append(*warnings, Problem{
			Origin: t.origin, Key: t.key, What: "an unknown key, which only makes a placeholder",
			Hint: suggest.Question("", t.near...) + " With strict = true it is a mistake", Meant: " " + strings.Join(t.near, " ") + " ",
		})
	}
}

// remainder is the part of a configuration that a table does not use.
type remainder struct {
	// wrong are the options of mistakes.
	wrong []string
	// idle are keys that resemble no option, and nothing refers to them.
	idle []dialect.Entry
}

// named is the number of keys that report names.
const named = 20

// report adds one warning for each file with idle keys. Keys for several vassals may be for
// others.
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
		warnings.Add(e.Origin, "", "no option of uWSGI or of emperor: "+list, "ignored, and no value uses %(KEY): drop the line, or write set-placeholder = KEY=VALUE")
	}
}

// The names of the emperor's table: a vassal whose file has a line for uWSGI need not build that
// table, which would stay in its memory. A test keeps the list current (make docs).
//
//go:embed emperor_names.txt
var emperorNames string

// emperors is the program for which whose reports options of the emperor.
const emperors = "the emperor"

// anyOption reports whether the emperor, a vassal or uWSGI has an option of that name.
func anyOption(name string) bool {
	_, known := uwsginames.Lookup(name)
	return known || whose(name) != ""
}

// whose returns the program to which an option belongs that this table does not have.
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
