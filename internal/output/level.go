package output

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/termlog"
)

// parse removes the mark of a line's level (sd-daemon(3)): a digit of syslog(3) in angle
// brackets, followed by a v in lines of our own programs. A line without a mark is
// information.
func parse(text string) Line {
	l := Line{Level: slog.LevelInfo, Text: text}
	if len(text) < 3 || text[0] != '<' {
		return l
	}
	rest, own := text[2:], text[2] == 'v'
	if own {
		rest = rest[1:]
	}
	if rest == "" || rest[0] != '>' {
		return l
	}
	switch text[1] {
	case '0', '1', '2', '3':
		l.Level = slog.LevelError
	case '4':
		l.Level = slog.LevelWarn
	case '5', '6':
	case '7':
		l.Level = slog.LevelDebug
	default:
		return l
	}
	l.Text, l.marked, l.own = rest[1:], true, own
	if own {
		l.split()
	}
	return l
}

// split finds the attributes in a line of our own programs.
func (l *Line) split() {
	message, rest, found := strings.Cut(l.Text, termlog.Separator)
	if !found {
		return
	}
	l.Text = message + rest
	if attrs, ok := termlog.Attrs(rest); ok {
		l.message, l.attrs = message, attrs
	}
}

// log passes the line on.
func (l *Line) log(to *slog.Logger) {
	if l.attrs == nil {
		to.Log(context.Background(), l.Level, l.Text)
		return
	}
	to.LogAttrs(context.Background(), l.Level, l.message, l.attrs...)
}

// priority returns the level as a number of syslog(3).
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// mark is the inverse of parse.
func mark(l Line) string { return "<" + strconv.Itoa(priority(l.Level)) + ">" + l.Text }
