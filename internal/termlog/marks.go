package termlog

import (
	"log/slog"
	"os"
)

// MarksEnv is set for programs whose output is read by somebody who knows marks:
// a line that begins with <N> is of the level N of syslog(3), as for systemd.
const MarksEnv = "EMPEROR_LOG_LEVELS"

// Marked reports whether this process is such a program.
func Marked() bool { return os.Getenv(MarksEnv) != "" }

// ErrorMark begins a line about an error that this process ends with; it is empty
// where nobody knows marks.
func ErrorMark() string {
	if Marked() {
		return mark(slog.LevelError)
	}
	return ""
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
