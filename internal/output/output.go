// Package output answers one question: where does the output of vassals go? It never waits for
// readers or for storage. Lines that cannot be passed on in time are dropped and counted, so that
// a full disk or a slow reader never blocks a vassal.
package output

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// Line is one line of a vassal's output.
type Line struct {
	// Number counts the lines of the vassal, from 1.
	Number uint64     `json:"number"`
	Time   time.Time  `json:"time"`
	Level  slog.Level `json:"level"`
	Text   string     `json:"text"`
	// Lost is the number of lines that the reader missed before this one.
	Lost uint64 `json:"lost,omitempty"`
	// Owner is the user of the vassal's file, for those who may not read all vassals.
	Owner uint32 `json:"-"`

	marked bool // the line contained its level
	// message and attrs are the parts of Text in a line of vassal or its helpers. Without attrs,
	// Text is the message.
	message string
	attrs   []slog.Attr
	own     bool // the line is of vassal or its helpers, not of the program that they run
}

// Limits of the lines that a Log keeps.
const (
	maxLines = 256
	maxBytes = 32 << 10
)

// behind is the number of lines that a follower may lag behind.
const behind = 256

// Log has the last lines of one vassal.
type Log struct {
	mu        sync.Mutex
	last      uint64
	lines     []Line
	bytes     int
	followers map[*follower]bool
	forgotten bool

	writers int // guarded by the Store

	name  string
	store *Store // nil: the log belongs to no store
}

type follower struct {
	lines chan Line
	lost  uint64
}

// add numbers a line and keeps it.
func (l *Log) add(line Line) {
	if !utf8.ValidString(line.Text) {
		line.Text = string([]rune(line.Text)) // the form that JSON would have
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	line.Number = l.last
	if l.store != nil {
		l.store.pass(VassalLine{l.name, line})
	}
	l.lines, l.bytes = append(l.lines, line), l.bytes+len(line.Text)
	drop := 0
	for ; len(l.lines)-drop > maxLines || l.bytes > maxBytes && drop < len(l.lines)-1; drop++ {
		l.bytes -= len(l.lines[drop].Text)
	}
	if drop > 0 {
		clear(l.lines[:drop]) // releases their texts
		l.lines = l.lines[drop:]
	}
	for f := range l.followers {
		line.Lost = f.lost
		deliver(f.lines, line, &f.lost)
	}
}

// deliver passes a line to a follower that has room for it, and otherwise counts it as lost.
func deliver[T any](to chan<- T, line T, lost *uint64) {
	select {
	case to <- line:
		*lost = 0
	default:
		*lost++
	}
}

// Last returns the last n lines.
func (l *Log) Last(n int) []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Line{}, l.lines[len(l.lines)-min(n, len(l.lines)):]...)
}

// Before returns the last line of the vassal's program before our newest warning that contains
// about, because it may contain the reason. Empty: no such line, or it is too old.
func (l *Log) Before(about string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := false
	for _, line := range slices.Backward(l.lines) {
		warning := line.own && line.Level >= slog.LevelWarn
		switch {
		case !found:
			found = warning && strings.Contains(line.Text, about)
		case warning:
			return ""
		case line.isPrinted():
			return line.Text
		}
	}
	return ""
}

// isPrinted reports whether the program has printed the line and the line may contain the reason of
// its end: it has a word, and is not an entry of an access log, which other workers print.
func (l Line) isPrinted() bool {
	return !l.own && strings.ContainsFunc(l.Text, unicode.IsLetter) && !isAccess(l.Text)
}

// isAccess reports whether a line contains an HTTP request line in quotes, as in the common log
// format.
func isAccess(text string) bool {
	before, after, _ := strings.Cut(text, " HTTP/")
	version, _, quoted := strings.Cut(after, `"`)
	return quoted && len(version) <= len("1.1") && strings.Contains(before, `"`)
}

// Follow returns the last n lines and a channel of new lines. The channel is closed when stop is
// called or the log is dropped. A slow reader misses lines; the next line counts them.
func (l *Log) Follow(n int) (last []Line, next <-chan Line, stop func()) {
	f := &follower{lines: make(chan Line, behind)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers == nil {
		l.followers = map[*follower]bool{}
	}
	l.followers[f] = true
	last = append([]Line{}, l.lines[len(l.lines)-min(n, len(l.lines)):]...)
	if l.forgotten {
		l.dismiss(f)
	}
	return last, f.lines, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.followers, f)
	}
}

// dismiss closes the channel of a follower. The caller holds the lock.
func (l *Log) dismiss(f *follower) {
	if l.followers[f] {
		delete(l.followers, f)
		close(f.lines)
	}
}

// Store has the logs of all vassals. The zero value is empty.
type Store struct {
	mu   sync.Mutex
	logs map[string]*Log

	followed  atomic.Int32 // the number of followers
	reading   sync.Mutex   // guards followers; taken after the lock of a Log
	followers map[*storeFollower]bool
}

// VassalLine is a line with the name of its vassal.
type VassalLine struct {
	Vassal string `json:"vassal"`
	Line
}

// storeFollower receives the lines of all vassals that it wants.
type storeFollower struct {
	wants func(VassalLine) bool
	lines chan VassalLine
	lost  uint64
}

// manyBehind is the number of lines that a follower of a Store may lag behind.
const manyBehind = 2048

// Follow returns a channel of all new lines that wants accepts, also of later vassals, until stop is called. A slow
// reader misses lines; the next line counts them. wants must be fast and safe for concurrent use.
func (s *Store) Follow(wants func(VassalLine) bool) (next <-chan VassalLine, stop func()) {
	f := &storeFollower{wants: wants, lines: make(chan VassalLine, manyBehind)}
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.followers == nil {
		s.followers = map[*storeFollower]bool{}
	}
	s.followers[f] = true
	s.followed.Add(1)
	return f.lines, sync.OnceFunc(func() {
		s.reading.Lock()
		defer s.reading.Unlock()
		delete(s.followers, f)
		s.followed.Add(-1)
	})
}

// pass passes a line to the followers of the store. It does not block.
func (s *Store) pass(line VassalLine) {
	if s.followed.Load() == 0 {
		return
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	for f := range s.followers {
		if !f.wants(line) {
			continue
		}
		line.Lost = f.lost
		deliver(f.lines, line, &f.lost)
	}
}

// Of returns the log of a vassal. It makes the log if necessary.
func (s *Store) Of(name string) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(name)
}

func (s *Store) of(name string) *Log {
	if s.logs == nil {
		s.logs = map[string]*Log{}
	}
	l := s.logs[name]
	if l == nil {
		l = &Log{name: name, store: s}
		s.logs[name] = l
	}
	return l
}

// writable returns the log of a vassal for a writer, until the writer calls done.
func (s *Store) writable(name string) (l *Log, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.of(name)
	l.writers++
	return l, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.writers--
	}
}

// Forget drops the log of a vassal that is gone, unless a new vassal of the same name already
// writes to it. The channels of followers are closed.
func (s *Store) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[name]
	if l == nil || l.writers > 0 {
		return
	}
	delete(s.logs, name)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgotten = true
	for f := range l.followers {
		l.dismiss(f)
	}
}
