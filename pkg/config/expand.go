package config

import (
	"fmt"
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
	// left is true when it is own only because a partial reading has no value for it.
	left bool
	// tenant is true when it stands in a file that its tenant owns.
	tenant bool
	// shared is true when it is given to several vassals: by a template, vassal-set or
	// the environment.
	shared bool
	// asked is true when a value or a condition has looked its key up.
	asked bool
	// listed is true when it is one of the values of a list, in a format that has such.
	listed bool
	// names are the parts of the value that magic variables took from names of files,
	// as far as these are no plain words.
	names pieces
	// twice is true when what stands in such a name was replaced as well.
	twice bool
}

// Bounds of expansion. Beyond them a value refers to itself.
const (
	maxReplacements = 10_000  // in one value
	maxWork         = 1 << 24 // bytes looked at, in all values
)

// passes runs uWSGI's passes over all values in order: environment variables,
// `$(NAME)`, then the content of files and schemes, `@(url)`, then placeholders,
// `%(key)`, which stand for the first option of that name. What is not known
// stays as it is.
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

// leaveOut takes from the tables what a partial reading could not finish.
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

// contentText is what @(…) looks up. One line end is cut.
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

// replace replaces each symbol(name) in s by what find says, as
// uwsgi_apply_config_pass does: the symbol must stand directly before its
// parenthesis, parentheses nest, a symbol inside starts anew, an empty pair is
// left alone, and after a replacement the scan goes on at the second byte of the
// new value, so that what came in is looked at again unless it stands at the
// very beginning. what is empty, or why it was given up.
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
				return s, "the value takes too long to put together"
			}
			if !known {
				continue
			}
			r.work += len(s)
			if count++; count > maxReplacements || r.work > maxWork {
				return s, fmt.Sprintf("putting the value together does not end: it may refer to itself by %c(%s)", symbol, shorten(name))
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
