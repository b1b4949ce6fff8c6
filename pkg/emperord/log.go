package emperord

import (
	"io"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/internal/journal"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
)

const (
	// logPending is how many bytes of the log may wait for a slow reader.
	logPending = 4 << 20
	// logEnd is how long the end of the emperor waits for the reader.
	logEnd = termlog.LastWords
)

// ownLog returns the emperor's log, whose reader never blocks the emperor: standard error, or
// the file of its options.
func ownLog(o *config.Emperor) (*termlog.Queue, error) {
	var w io.Writer = os.Stderr
	if o.Process.Log.Path != "" {
		uid, gid, err := becoming(o)
		if err != nil {
			return nil, err
		}
		if w, err = openLog(o.Process.Log, uid, gid); err != nil {
			return nil, o.Blame(o.Process.Log.Option, err)
		}
	}
	return termlog.LogQueue(w, logPending, func(w io.Writer) slog.Handler { return handler(w, o, slog.LevelWarn) }), nil
}

// handler formats log lines for a terminal, the journal, or as JSON.
func handler(w io.Writer, o *config.Emperor, level slog.Leveler) slog.Handler {
	if o.JSONLog {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	// The journal records time and level itself.
	toJournal := journal.IsStderr()
	return termlog.New(w, termlog.Options{Level: level, Time: !toJournal, Marks: toJournal, Prefix: "vassal"})
}

// outputToJournal reports whether lines of vassals go to the journal: standard error leads there,
// and the operator has not selected another form of the log.
func outputToJournal(o *config.Emperor, to *journal.Client, log *slog.Logger) bool {
	if !journal.IsStderr() || o.Process.Log.Path != "" || o.LogFormat {
		return false
	}
	if err := to.Reachable(); err != nil {
		log.Warn("lines of vassals are lines of this log", "error", err)
		return false
	}
	return true
}
