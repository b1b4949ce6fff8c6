package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/datagrams"
	"github.com/emperor-go/emperor/internal/journal"
	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/termlog"
)

// toJournal is the destination for the system's journal.
const toJournal = "journal"

const (
	// pendingBytes limits the output of one vassal that waits to be stored.
	pendingBytes = 256 << 10
	// storing limits how long the end of a vassal waits for its last lines to be stored.
	storing = time.Second
)

// Hub receives the output of all vassals. Its methods are safe for concurrent use.
type Hub struct {
	Store
	// Crowded reports whether the emperor's own log has little room left. Then vassals that print
	// more than their share lose lines, and other vassals do not. Nil: never.
	Crowded func() bool

	// Files limits the threads that open and write log files, so that a disk that hangs delays no
	// launch. Nil: no limit.
	Files *reads.Pool

	// Journal is the system's journal. Required for vassals whose lines go there.
	Journal *journal.Client
	// ToJournal is the destination of vassals without one: the journal instead of the emperor's own
	// log.
	ToJournal bool

	open  sync.Map // key *file, no value
	rests rests
}

// Vassal describes the vassal whose lines a Sink receives.
type Vassal struct {
	Name string
	UID  uint32 // of its file
	// To is the path of a file, toJournal, or a logger of uWSGI. Empty: the emperor's own log.
	To string
	// Log is the emperor's own log, with the vassal's name.
	Log *slog.Logger
}

// Sink receives the lines of one process, one at a time. It never blocks.
type Sink struct {
	log   *Log
	owner uint32
	print func(Line)
	// errors also receives the errors of our own programs, such as errors of the boot. Nil: print
	// receives them.
	errors func(Line)
	close  func()
	done   func() // releases the log
	last   string // last line of the program
}

// Open makes the sink of one process of a vassal; the caller closes it. If the destination is not
// available, the emperor's log replaces it and reports that.
func (h *Hub) Open(v Vassal) *Sink {
	s := &Sink{owner: v.UID, close: func() {}}
	s.log, s.done = h.writable(v.Name)
	s.share(h, v.Log)
	shared, own := s.print, v.To == "" && h.ToJournal // which the operator reads as the emperor's log
	if own {
		v.To = toJournal
	}
	if v.To == "" {
		return s
	}
	switch err := s.store(h, v); {
	case err != nil:
		v.Log.Error("its output goes to this log instead", "error", err)
	case !own:
		s.errors = shared
	}
	return s
}

// share sends the lines to the emperor's log and leaves room in it for other vassals.
func (s *Sink) share(h *Hub, log *slog.Logger) {
	var (
		fair ration
		lost int
	)
	report := func() {
		if lost > 0 {
			log.Warn("lines of it were lost: it prints more than the log can take", "lines", lost)
			lost = 0
		}
	}
	s.print = func(l Line) {
		if !fair.take(len(l.Text), l.Time) && h.Crowded != nil && h.Crowded() {
			lost++
			return
		}
		report()
		l.log(log)
	}
	s.close = report
}

// fairRate is the number of bytes per second that each vassal may always print, and of the first
// burst.
const fairRate = 16 << 10

// ration counts bytes against fairRate. The zero value is full.
type ration struct {
	owed int
	last time.Time
}

// take reports whether n bytes are within the ration.
func (r *ration) take(n int, now time.Time) bool {
	paid := int(min(now.Sub(r.last), time.Second) * fairRate / time.Second)
	r.owed, r.last = max(0, r.owed-max(0, paid)), now
	if r.owed >= fairRate {
		return false
	}
	r.owed += n
	return true
}

// store sends the lines to a file, to the journal or to a socket.
func (s *Sink) store(h *Hub, v Vassal) error {
	if v.To == toJournal {
		if err := h.Journal.Reachable(); err != nil {
			return err
		}
		s.send(h, v, entries(v.Name, h.Journal.Send))
		return nil
	}
	to := logger.Logger{Path: v.To}
	if !filepath.IsAbs(v.To) {
		var err error
		if to, err = logger.Parse(v.To); err != nil {
			return err
		}
	}
	if to.Path != "" {
		return s.file(h, v, to)
	}
	lines := datagrams.NewLines(to, v.Name)
	if err := lines.Reachable(); err != nil {
		return err
	}
	s.send(h, v, func(ctx context.Context, l Line) error { return lines.Send(ctx, priority(l.Level), l.Text, l.Time) })
	return nil
}

// send sends the lines one by one.
func (s *Sink) send(h *Hub, v Vassal, send func(context.Context, Line) error) {
	w := &lineWriter{newLife(), send}
	q := termlog.NewQueue(w, pendingBytes, func(lost int) []byte { return append([]byte("<4>"), lostLines(lost)...) })
	s.print = func(l Line) { _, _ = q.Write([]byte(mark(l) + "\n")) }
	s.close = func() { h.rests.close(q, w.life, v.Log) }
}

func lostLines(lost int) []byte {
	return []byte(strconv.Itoa(lost) + " lines were lost: they could not be written in time\n")
}

// file sends the lines to a file.
func (s *Sink) file(h *Hub, v Vassal, to logger.Logger) error {
	f := newFile(to, v.UID, h.Files)
	switch err := f.again(); {
	case errors.Is(err, reads.ErrSlow): // the first line that can be written opens it
		v.Log.Warn("its log file does not answer: lines of it are lost if that lasts", "file", to.Path)
	case err != nil:
		return err
	}
	h.open.Store(f, struct{}{})
	q := termlog.NewQueue(f, pendingBytes, lostLines)
	s.print = func(l Line) { _, _ = q.Write(fileLine(l)) }
	s.close = func() {
		h.open.Delete(f)
		h.rests.close(q, f.life, v.Log)
	}
	return nil
}

// fileLine formats a line for a file of the vassal. Lines of our own programs get time and level;
// other lines are unchanged.
func fileLine(l Line) []byte {
	if !l.marked {
		return []byte(l.Text + "\n")
	}
	level := l.Level.String()
	return []byte(l.Time.Format("2006-01-02 15:04:05.000 ") + level + strings.Repeat(" ", max(1, 6-len(level))) + l.Text + "\n")
}

// lineWriter passes lines on, one by one.
type lineWriter struct {
	life
	send func(context.Context, Line) error
}

// Write implements io.Writer. It takes whole lines.
func (w *lineWriter) Write(p []byte) (n int, err error) {
	for line := range bytes.Lines(p) {
		l := parse(termlog.Text(line))
		l.Time = time.Now()
		if err := w.send(w.ctx, l); err != nil {
			return n, err
		}
		n += len(line)
	}
	return n, nil
}

// entries makes each line of a vassal an entry of the journal. The journal itself adds the unit of
// the sender, which is the emperor's.
func entries(vassal string, send func(context.Context, ...journal.Field) error) func(context.Context, Line) error {
	return func(ctx context.Context, l Line) error {
		return send(ctx, journal.Field{Name: "MESSAGE", Value: l.Text}, journal.Field{Name: "PRIORITY", Value: strconv.Itoa(priority(l.Level))},
			journal.Field{Name: "SYSLOG_IDENTIFIER", Value: vassal}, journal.Field{Name: "EMPEROR_VASSAL", Value: vassal})
	}
}

// Close implements io.Closer.
func (w *lineWriter) Close() error {
	w.end()
	return nil
}

// Line receives one line, without its end.
func (s *Sink) Line(text string) {
	l := parse(text)
	l.Time, l.Owner = time.Now(), s.owner
	if l.isPrinted() {
		s.last = l.Text
	}
	s.log.add(l)
	s.print(l)
	if s.errors != nil && l.own && l.Level >= slog.LevelError {
		s.errors(l)
	}
}

// Last returns the last line that the process's program printed; lines of vassal and its helpers
// do not count. Empty: none.
func (s *Sink) Last() string { return s.last }

// Close returns when the last lines are stored, or when it is certain that they cannot be.
func (s *Sink) Close() {
	s.close()
	s.done()
}

// Reopen opens every file again, by its name.
func (h *Hub) Reopen() (files int, err error) {
	outcomes := make(chan error)
	h.open.Range(func(key, _ any) bool {
		f, _ := key.(*file)
		files++
		go func() { outcomes <- f.again() }()
		return true
	})
	var failed []error
	for range files {
		if err := <-outcomes; err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return files, fmt.Errorf("%w (files that were open are still written to)", errors.Join(failed...))
	}
	return files, nil
}
