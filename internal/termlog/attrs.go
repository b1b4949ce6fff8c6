package termlog

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Separator stands between a message and its attributes in the lines of our own programs.
// Neither contains it, because control characters are escaped.
const Separator = "\x1f"

// reserved are the keys that a record in a vassal's name has already: no line of a vassal may
// replace them.
var reserved = []string{slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey, "vassal"}

// maxAttrs is the largest number of attributes of one line.
const maxAttrs = 16

// Attrs parses attributes as a handler prints them, ` key=value key="quoted value"`. ok is false
// for any other text: a program of a tenant may print any text.
func Attrs(text string) (attrs []slog.Attr, ok bool) {
	for text != "" {
		key, rest, found := strings.Cut(strings.TrimPrefix(text, " "), "=")
		if text[0] != ' ' || !found || !isKey(key) || len(attrs) == maxAttrs {
			return nil, false
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			prefix, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, false
			}
			text = rest[len(prefix):]
			value, _ = strconv.Unquote(prefix)
		} else {
			value, _, _ = strings.Cut(rest, " ")
			text = rest[len(value):]
		}
		attrs = append(attrs, attr(key, value))
	}
	return attrs, true
}

// attr returns an attribute, which is a number where its text is one.
func attr(key, value string) slog.Attr {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && strconv.FormatInt(n, 10) == value {
		return slog.Int64(key, n)
	}
	return slog.String(key, value)
}

func isKey(key string) bool {
	return key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == "" && !slices.Contains(reserved, key)
}
