package webserver

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/emperor-go/emperor/internal/datagrams"
	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/internal/termlog"
)

// requestsPending is how many bytes of lines may wait for the destination of requests.
const requestsPending = 64 << 10

// requestLog returns a queue to the destination of requests. While that does not accept lines,
// they go to standard error.
func requestLog(to logger.Logger, c *Config) *termlog.Queue {
	refused := func(err error) { c.Log.Warn("requests are logged here: req-logger: " + err.Error()) }
	var w io.Writer
	if to.Path != "" {
		file := termlog.NewNamed(to.Path, refused, c.AccessLog)
		file.MaxSize = to.MaxSize
		file.Rotate = func(f *os.File) error { return logger.Rotate(f, to.Path, to.Backup, 0) }
		w = file
	} else {
		w = &sentLines{to: datagrams.NewLines(to, "vassal"), refused: refused, instead: c.AccessLog}
	}
	return termlog.NewQueue(w, requestsPending, func(lost int) []byte {
		return []byte("lines of the log were lost: they could not be written in time lines=" + strconv.Itoa(lost) + "\n")
	})
}

// information is the level of requests in messages of syslog(3).
const information = 6

// sentLines sends lines to a socket. One goroutine at a time writes.
type sentLines struct {
	to      *datagrams.Lines
	refused func(error) // gets the first error of a series
	instead io.Writer
	failing bool
}

// Write implements io.Writer. It takes whole lines.
func (s *sentLines) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		err := s.to.Send(context.Background(), information, termlog.Text(line), time.Now())
		if err != nil && !s.failing {
			s.refused(err)
		}
		if s.failing = err != nil; s.failing {
			_, _ = s.instead.Write(line) // the log of last resort
		}
	}
	return len(p), nil
}
