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
		m := mark(slog.LevelError)
		text = m + strings.ReplaceAll(text, "\n", "\n"+m)
	}
	_, _ = io.WriteString(w, text+"\n")
}

// head returns the level as it stands at the start of a line.
func head(l slog.Level, marks bool) string {
	if marks {
		return mark(l)
	}
	level := l.String()
	return level + strings.Repeat(" ", max(1, 6-len(level)))
}

func mark(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3v>"
	case l >= slog.LevelWarn:
		return "<4v>"
	case l >= slog.LevelInfo:
		return "<6v>"
	}
	return "<7v>"
}
