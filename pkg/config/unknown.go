package config

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// strangers collects what is to be said about keys that are in no table. Most
// are placeholders or options of uWSGI that change nothing here, but a file that
// asks to be confined must not run unconfined.
type strangers struct {
	strict bool
	// used are the keys that some value refers to: placeholders for sure.
	used []string
	// names are the options of the table, then those of uWSGI.
	names iter.Seq[string]
	seen  []string
	// meant are the options that keys were meant for which are mistakes.
	meant []string
	typos []typo
	// owners are keys that were meant for the user or the group.
	owners []entry
}

// typo is a key that makes a placeholder and looks like a misspelt option.
type typo struct {
	key, near string
	origin    Origin
}

// meet judges one key.
func (s *strangers) meet(e entry, warnings, problems *Problems) {
	program := whose(e.key)
	switch {
	case confines(e.key) && program != "":
		problems.add(e.origin, e.key, "an option of "+program+" that confines or prepares it and does nothing here", "move it to the file of "+program)
		return
	case confines(e.key):
		problems.add(e.origin, e.key, "this option confines a vassal in uWSGI and is not supported here", "remove it only if the vassal may run without")
		return
	}
	if slices.Contains(s.seen, e.key) {
		return
	}
	s.seen = append(s.seen, e.key)
	if program != "" {
		warnings.add(e.origin, e.key, "an option of "+program+" that does nothing here", "")
	} else if _, known := uwsgiKnows(e.key); known {
		warnings.add(e.origin, e.key, "an option of uWSGI that does nothing here", instead(e.key))
	} else if s.strict {
		hint := "strict is on: make placeholders with set-placeholder = KEY=VALUE"
		if near := nearest(e.key, s.names); near != nil {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
			s.meant = append(s.meant, near...)
		}
		problems.add(e.origin, e.key, "unknown option", hint)
	} else if !slices.Contains(s.used, e.key) {
		s.suspect(e)
	}
}

// suspect keeps a key that looks like a misspelt option.
func (s *strangers) suspect(e entry) {
	if meant(e.key) != "" {
		s.owners = append(s.owners, e)
	}
	if near := nearest(e.key, s.names); near != nil {
		s.typos = append(s.typos, typo{e.key, near[0], e.origin})
	}
}

// meant tells whether a key that is no option stands for uid or gid: letters in the
// wrong order, twice or in the wrong case, or another program's word for it.
func meant(key string) string {
	word := strings.ToLower(strings.ReplaceAll(strings.Trim(key, "-_ :"), "_", "-"))
	switch word {
	case "uid", "uids", "udi", "iud", "uuid", "uiid", "uidd", "user", "username", "setuid", "run-as", "runas", "user-id":
		return "uid"
	case "gid", "gids", "gdi", "igd", "ggid", "giid", "gidd", "group", "groupname", "setgid", "group-id":
		return "gid"
	}
	return ""
}

// refuse makes mistakes of keys that were meant for the user or the group where
// that is not given otherwise: the process would run as somebody else.
func (s *strangers) refuse(given func(option string) bool, problems *Problems) {
	for _, e := range s.owners {
		if option := meant(e.key); !given(option) {
			s.typos = slices.DeleteFunc(s.typos, func(t typo) bool { return t.key == e.key })
			problems.add(e.origin, e.key, "unknown option, and there is no "+option, fmt.Sprintf("%s = %s, or make a placeholder of it with set-placeholder", option, e.value))
		}
	}
}

// report adds the one warning about all keys that look misspelt.
func (s *strangers) report(warnings *Problems) {
	if len(s.typos) == 0 {
		return
	}
	words := make([]string, len(s.typos))
	for i, t := range s.typos {
		words[i] = fmt.Sprintf("%s (%s?)", t.key, t.near)
	}
	warnings.add(s.typos[0].origin, "", "unknown keys that look like misspelt options: "+strings.Join(words, ", "),
		"they only make placeholders; with strict = true they are mistakes")
}

// whose says to which program an option belongs that the table at hand has not.
func whose(key string) string {
	_, emperors := lookUp(emperorNames, key)
	switch {
	case emperors:
		return "the emperor"
	case vassalOptions.find(key) != nil:
		return "a vassal"
	}
	return ""
}

// references lists the words in all placeholders, `%(a + b)`, of values that are
// not expanded yet.
func references(entries []entry) []string {
	var words []string
	for _, e := range entries {
		for rest := e.value; ; {
			_, after, ok := strings.Cut(rest, "%(")
			if !ok {
				break
			}
			inside, _, _ := strings.Cut(after, ")")
			words = append(words, strings.Fields(inside)...)
			rest = after
		}
	}
	return words
}
