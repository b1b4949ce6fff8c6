package output

import (
	"log/slog"
	"strconv"
)

// parse takes off the mark of a line's level, as sd-daemon(3) has it: a digit of
// syslog(3) in angle brackets. A line without one is information.
func parse(text string) (level slog.Level, rest string, marked bool) {
	if len(text) < 3 || text[0] != '<' || text[2] != '>' {
		return slog.LevelInfo, text, false
	}
	switch text[1] {
	case '0', '1', '2', '3':
		return slog.LevelError, text[3:], true
	case '4':
		return slog.LevelWarn, text[3:], true
	case '5', '6':
		return slog.LevelInfo, text[3:], true
	case '7':
		return slog.LevelDebug, text[3:], true
	}
	return slog.LevelInfo, text, false
}

// priority is the level in the numbers of syslog(3).
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

// mark is the opposite of parse.
func mark(l Line) string { return "<" + strconv.Itoa(priority(l.Level)) + ">" + l.Text }
