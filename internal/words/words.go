// Package words divides command lines into words. Only quotes and backslashes have the meaning
// of a shell (sh(1), 2.2).
package words

import (
	"slices"
	"strings"

	"github.com/kballard/go-shellquote"
)

// Split divides a line into words. Its error is a quote that is not closed.
func Split(line string) ([]string, error) { return shellquote.Split(line) }

// Quote makes one word of a text, with quotes if it needs them.
func Quote(text string) string { return shellquote.Join(text) }

// Operator returns the first word of a line that a shell reads as an operator or a
// redirection, or that ends in one. Empty: none. It ignores quoted text, a semicolon that ends
// a line, as of find -exec, and an ampersand inside a word, as in a URL. A # that stands alone
// counts as well: it begins a comment.
func Operator(line string) string {
	list := unquoted(line)
	for i, w := range list {
		last := i == len(list)-1
		switch {
		case slices.Contains([]string{"&&", "||", "|", "|&", "&", "#"}, w.bare), redirects(w.bare):
			return w.raw
		case last && len(w.bare) > 1 && strings.HasSuffix(w.bare, "&") && !strings.ContainsAny(w.bare, "?="):
			return w.raw
		case !last && strings.HasSuffix(w.bare, ";") && !executes(list[:i]):
			return w.raw
		}
	}
	return ""
}

// Expansion returns the first word of a line in which a shell would expand a part: `$NAME`,
// `${…}`, `$(COMMAND ARGS)`, `~/` or a command in backquotes, not quoted. Empty: none.
func Expansion(line string) string {
	for i, w := range unquoted(line) {
		if expands(w.bare) || i > 0 && strings.HasPrefix(w.bare, "~/") { // the program has a hint of its own
			return w.raw
		}
	}
	return ""
}

// Variable returns the first word of a line that sets a variable for the rest of it, as in
// NAME=VALUE PROGRAM. Empty: the line begins with a program.
func Variable(line string) string {
	list := unquoted(line)
	if len(list) == 0 {
		return ""
	}
	if name, _, ok := strings.Cut(list[0].bare, "="); !ok || !IsName(name) {
		return ""
	}
	return list[0].raw
}

// IsName reports whether a text could be the name of an environment variable.
func IsName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return s != "" && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+"0123456789") == ""
}

// word is a word as it was written, and its text without quoted parts.
type word struct{ raw, bare string }

// hidden replaces a quoted byte in bare.
const hidden = '\x00'

// unquoted divides a line as Split does and keeps quotes.
func unquoted(line string) (list []word) {
	begin := 0
	quote, quotes := byte(0), false // open; and there is one in the word
	end := func(at int) {
		if at > begin {
			raw := line[begin:at]
			bare := raw
			if quotes {
				bare = hide(raw)
			}
			list = append(list, word{raw, bare})
		}
		begin, quotes = at+1, false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			quotes = true
			i++
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '\'', c == '"':
			quote, quotes = c, true
		case strings.IndexByte(" \t\r\n", c) >= 0:
			end(i)
		}
	}
	end(len(line))
	return list
}

// hide returns a word with each quoted part replaced by hidden bytes. A backslash that ends a
// line stays.
func hide(raw string) string {
	var bare strings.Builder
	quote := byte(0)
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(raw):
			bare.WriteByte(hidden)
			i++
		case c == quote:
			quote = 0
		case quote != 0:
			bare.WriteByte(hidden)
		case c == '\'', c == '"':
			quote = c
			bare.WriteByte(hidden)
		default:
			bare.WriteByte(c)
		}
	}
	return bare.String()
}

// redirects reports whether a word begins as a redirection does: 2>&1, >FILE, &>FILE.
func redirects(bare string) bool {
	rest := strings.TrimLeft(strings.TrimPrefix(bare, "&"), "0123456789")
	return rest != "" && (rest[0] == '>' || rest[0] == '<')
}

// expands checks one word. `$(NAME)` is a variable of the configuration.
func expands(bare string) bool {
	if strings.Contains(bare, "`") {
		return true
	}
	for rest := bare; ; {
		_, after, ok := strings.Cut(rest, "$")
		if !ok || after == "" {
			return false
		}
		name, _, closed := strings.Cut(strings.TrimPrefix(after, "("), ")")
		switch {
		case after[0] == '{', IsName(after[:1]):
			return true
		case after[0] == '(' && (!closed || !IsName(name)):
			return true
		}
		rest = after
	}
}

// executes reports whether a program gets a command that a semicolon ends.
func executes(before []word) bool {
	return slices.ContainsFunc(before, func(w word) bool {
		return slices.Contains([]string{"-exec", "-execdir", "-ok", "-okdir"}, w.raw)
	})
}

// Shorten returns a text for a message: its first 40 bytes when it is longer.
func Shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
