package dialect

import (
	"fmt"
	"strings"

	"github.com/emperor-go/emperor/internal/words"
)

// Limits of expansion. A value that exceeds them refers to itself.
const (
	maxReplacements = 10_000  // in one value
	maxWork         = 1 << 24 // bytes scanned, in all values
)

// expansion expands the values of the complete list.
type expansion struct {
	reader *Reader
	work   int // bytes scanned
}

// expandAll expands all values.
func (r *Reader) expandAll() {
	x := expansion{reader: r}
	x.passes()
}

// passes runs uWSGI's passes over all values in order: environment variables, `$(NAME)`, then
// the content of files and schemes, `@(url)`, then placeholders, `%(key)`, which stand for the
// first option of that name. Unknown references stay unchanged.
func (x *expansion) passes() {
	x.pass('$', func(name string) (string, bool) {
		if !x.reader.permissions.Partial || x.reader.permissions.Environ != nil {
			return x.reader.variables.getenvOr(name)
		}
		x.reader.outcome.partial = true
		return "", false
	})
	x.pass('@', x.contentText)
	x.pass('%', x.evaluate)
	if x.reader.outcome.partial {
		x.leaveOut()
	}
}

// leaveOut removes the entries that a partial reading could not complete.
func (x *expansion) leaveOut() {
	for i := range x.reader.list.entries {
		if e := &x.reader.list.entries[i]; !e.final && e.open() {
			e.Handled, e.Skipped = true, true
		}
	}
}

func (x *expansion) pass(symbol byte, find func(string) (string, bool)) {
	for i := range x.reader.list.entries {
		e := &x.reader.list.entries[i]
		if e.final || strings.IndexByte(e.Value, symbol) < 0 || x.reader.outcome.stopped {
			continue
		}
		x.reader.position.at, x.reader.position.key, x.reader.position.tenant, x.reader.position.names = e.Origin, e.Key, e.Tenant, e.names
		value, what := x.replace(e.Value, symbol, find)
		if what != "" {
			x.reader.limit(e.Key, what, "")
		}
		e.Value, e.names = value, x.reader.position.names
		if _, found := e.names.find(func(p piece) bool { return strings.Contains(p.text, string(symbol)+"(") }); found {
			e.twice = true
		}
	}
}

// contentText expands @(…). It removes one line end.
func (x *expansion) contentText(url string) (string, bool) {
	data, err := x.reader.content("@("+url+")", url)
	if err != nil {
		x.reader.failed("@("+url+")", err)
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
func (x *expansion) replace(s string, symbol byte, find func(string) (string, bool)) (result, what string) {
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
			if x.work > maxWork {
				return s, "the expansion of the value takes too long"
			}
			if !known {
				continue
			}
			x.work += len(s)
			if count++; count > maxReplacements || x.work > maxWork {
				return s, fmt.Sprintf("the expansion of the value does not end: it may refer to itself by %c(%s)", symbol, words.Shorten(name))
			}
			if len(s)+len(value) > maxLine {
				return s, fmt.Sprintf("the value grows beyond 1 MiB with %c(%s)", symbol, words.Shorten(name))
			}
			s = s[:start-2] + value + s[j+1:]
			j = 0
		}
	}
	return s, ""
}
