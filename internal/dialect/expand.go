package config

import (
	"fmt"
	"strings"
)

// entry is one option as it was written, in the order in which options count.
type entry struct {
	key, value string
	origin     Origin
	// bare is true for an option without a value, as by --master on a command line. The value
	// is empty then and means yes.
	bare bool
	// done is true when no pass may expand the value: uWSGI acts on such an option while it
	// reads (its "immediate" options).
	done bool
	// own is true when the reader has carried out the option completely, such as an include or
	// a placeholder: the table ignores it.
	own bool
	// left is true when it is own only because a partial reading has no value for it.
	left bool
	// tenant is true when it stands in a file that its tenant owns.
	tenant bool
	// shared is true when it is given to several vassals: by a template, vassal-set or the
	// environment.
	shared bool
	// asked is true when a value or a condition has looked its key up.
	asked bool
	// listed is true when it is one of the values of a list, in a format with lists.
	listed bool
	// names are the parts of the value that magic variables took from names of files, if these
	// are not plain words.
	names pieces
	// twice is true when a placeholder in such a name was expanded as well.
	twice bool
}

// Limits of expansion. A value that exceeds them refers to itself.
const (
	maxReplacements = 10_000  // in one value
	maxWork         = 1 << 24 // bytes scanned, in all values
)

// passes runs uWSGI's passes over all values in order: environment variables, `$(NAME)`, then
// the content of files and schemes, `@(url)`, then placeholders, `%(key)`, which stand for the
// first option of that name. Unknown references stay unchanged.
func (r *reader) passes() {
	r.pass('$', func(name string) (string, bool) {
		if !r.access.Partial || r.access.Environ != nil {
			return r.getenvOr(name)
		}
		r.partial = true
		return "", false
	})
	r.pass('@', r.contentText)
	r.pass('%', r.evaluate)
	if r.partial {
		r.leaveOut()
	}
}

// leaveOut removes the entries that a partial reading could not complete.
func (r *reader) leaveOut() {
	for i := range r.entries {
		if e := &r.entries[i]; !e.done && (strings.Contains(e.value, "$(") || strings.Contains(e.value, "@(") || strings.Contains(e.value, "%(")) {
			e.own, e.left = true, true
		}
	}
}

func (r *reader) pass(symbol byte, find func(string) (string, bool)) {
	for i := range r.entries {
		e := &r.entries[i]
		if e.done || strings.IndexByte(e.value, symbol) < 0 || r.stopped {
			continue
		}
		r.at, r.key, r.tenant, r.names = e.origin, e.key, e.tenant, e.names
		value, what := r.replace(e.value, symbol, find)
		if what != "" {
			r.limit(e.key, what, "")
		}
		e.value, e.names = value, r.names
		if _, found := e.names.find(func(p piece) bool { return strings.Contains(p.text, string(symbol)+"(") }); found {
			e.twice = true
		}
	}
}

// contentText expands @(…). It removes one line end.
func (r *reader) contentText(url string) (string, bool) {
	data, err := r.content("@("+url+")", url)
	if err != nil {
		r.failed("@("+url+")", err)
		return "", false
	}
	text, _, _ := strings.Cut(string(data), "\x00")
	if n := len(text); n > 0 && (text[n-1] == '\n' || text[n-1] == '\r') {
		text = text[:n-1]
	}
	return text, true
}

// replace replaces each symbol(name) in s by the result of find, as uwsgi_apply_config_pass
// does: the symbol must stand directly before its parenthesis, parentheses nest, a symbol
// inside starts again, and an empty pair stays. After a replacement the scan continues at the
// second byte of the new value, so that inserted references are expanded unless they stand at
// the very beginning. what is empty, or the reason why it stopped.
func (r *reader) replace(s string, symbol byte, find func(string) (string, bool)) (result, what string) {
	const none, seen, inside = 0, 1, 2
	state, depth, start, count := none, 0, 0, 0
	for j := 0; j < len(s); j++ {
		switch c := s[j]; {
		case c == symbol:
			state = seen
		case c == '(' && state == seen:
			state, depth, start = inside, 0, j+1
		case state != inside:
			state = none
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ')':
			state = none
			if j == start {
				continue
			}
			name := s[start:j]
			value, known := find(name)
			if r.work > maxWork {
				return s, "the expansion of the value takes too long"
			}
			if !known {
				continue
			}
			r.work += len(s)
			if count++; count > maxReplacements || r.work > maxWork {
				return s, fmt.Sprintf("the expansion of the value does not end: it may refer to itself by %c(%s)", symbol, shorten(name))
			}
			if len(s)+len(value) > maxLine {
				return s, fmt.Sprintf("the value grows beyond 1 MiB with %c(%s)", symbol, shorten(name))
			}
			s = s[:start-2] + value + s[j+1:]
			j = 0
		}
	}
	return s, ""
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
