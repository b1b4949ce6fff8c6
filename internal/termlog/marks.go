package termlog

import (
	"io"
	"log/slog"
	"os"
	"strings"
)

// MarksEnv is set for programs whose output is read by somebody who knows marks:
// a line that begins with <N> is of the level N of syslog(3), as for systemd.
const MarksEnv = "EMPEROR_LOG_LEVELS"

// Marked reports whether this process is such a program.
func Marked() bool { return os.Getenv(MarksEnv) != "" }

// PrintError writes an error that this process ends with, behind the program's name.
// Each of its lines is marked as one of an error, where somebody knows marks.
func PrintError(w io.Writer, program string, err error) {
	text := program + ": " + err.Error()
	if Marked() {
		m := mark(slog.LevelError)
		text = m + strings.ReplaceAll(text, "\n", "\n"+m)
	}
	_, _ = io.WriteString(w, text+"\n")
}

// head is the level at the beginning of a line.
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
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}
