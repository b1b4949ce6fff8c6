package config

import (
	"os"
	"strings"
)

// entry is one option as it was written, in the order in which options count.
type entry struct {
	key, value string
	origin     Origin
	// bare is true when no value was given at all, as by --master on a command
	// line. The value is empty then and means yes.
	bare bool
	// done is true when no pass may touch the value: uWSGI acts on such an option
	// while it reads (its "immediate" options).
	done bool
	// own is true when the reader did all that the option asks for, such as an
	// include or a placeholder: a table has nothing to do with it.
	own bool
	// tenant is true when it stands in a file that its tenant owns.
	tenant bool
}

// expansions bounds how often the text of one value is replaced: beyond it a
// value refers to itself.
const expansions = 100

// expand runs uWSGI's passes over all values in order, first environment
// variables, `$(NAME)`, then placeholders, `%(key)`, which stand for the first
// option of that name. What is not known stays as it is.
func expand(entries []entry, problems *Problems) {
	pass := func(symbol byte, find func(string) (string, bool)) {
		for i := range entries {
			e := &entries[i]
			value, ok := replace(e.value, symbol, find)
			if !ok {
				problems.add(e.origin, e.key, "the value refers to itself", "")
			}
			e.value = value
		}
	}
	pass('$', os.LookupEnv)
	pass('%', func(key string) (string, bool) {
		for i := range entries {
			if entries[i].key == key {
				return entries[i].value, true
			}
		}
		return "", false
	})
}

// replace replaces each symbol(name) in s by what find says. The result is
// looked at again. It is not ok when there is no end to it.
func replace(s string, symbol byte, find func(string) (string, bool)) (result string, ok bool) {
	from := 0
	for range expansions {
		start := strings.Index(s[from:], string(symbol)+"(")
		if start < 0 {
			return s, true
		}
		start += from
		end := closing(s, start+1)
		if end < 0 {
			return s, true
		}
		value, known := find(s[start+2 : end])
		if !known || len(s) > MaxFile {
			from = start + 1
			continue
		}
		s = s[:start] + value + s[end+1:]
		from = start
	}
	return s, false
}

// closing finds the parenthesis that closes the one at open.
func closing(s string, open int) int {
	depth := 0
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
