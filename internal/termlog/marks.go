package termlog

import (
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// MarksEnv is set for programs whose reader knows marks: a line that begins with <N> has the
// level N of syslog(3), as for systemd.
const MarksEnv = "EMPEROR_LOG_LEVELS"

// marked reports whether MarksEnv is set for this process.
func marked() bool { return os.Getenv(MarksEnv) != "" }

// Pass adds MarksEnv to the environment of another program of ours, which gets the standard
// error of this process, when it is set for this process.
func Pass(environ []string) []string {
	if !marked() {
		return environ
	}
	return append(Without(environ), MarksEnv+"=1")
}

// Without returns an environment without MarksEnv, for a program that does not know it.
func Without(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasPrefix(v, MarksEnv+"=") })
}

// PrintError writes the error that ends this process, after the program's name. When MarksEnv
// is set, it marks each line as an error.
func PrintError(w io.Writer, program string, err error) {
	text := program + ": " + err.Error()
	if marked() {
		m := mark(slog.LevelError, true)
		text = m + strings.ReplaceAll(text, "\n", "\n"+m)
	}
	_, _ = io.WriteString(w, text+"\n")
}

// head returns the level as it stands at the start of a line. own as in Options.
func head(l slog.Level, marks, own bool) string {
	if marks {
		return mark(l, own)
	}
	level := l.String()
	return level + strings.Repeat(" ", max(1, 6-len(level)))
}

// mark returns the level as a number of syslog(3) in angle brackets.
func mark(l slog.Level, own bool) string {
	text := "<7"
	switch {
	case l >= slog.LevelError:
		text = "<3"
	case l >= slog.LevelWarn:
		text = "<4"
	case l >= slog.LevelInfo:
		text = "<6"
	}
	if own {
		text += "v"
	}
	return text + ">"
}
