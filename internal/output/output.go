// Package output answers one question: what did a vassal print, and where does it
// go? Nothing here waits for whoever reads or stores it: what cannot be passed on
// in time is dropped and counted, so that a full disk or a slow reader never
// blocks a vassal.
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

// Line is one line that a vassal printed.
type Line struct {
	// Number counts the lines of the vassal, from 1.
	Number uint64     `json:"number"`
	Time   time.Time  `json:"time"`
	Level  slog.Level `json:"level"`
	Text   string     `json:"text"`
	// Lost is how many lines before this one the reader missed.
	Lost uint64 `json:"lost,omitempty"`

	marked bool // it said its level itself
	// message and attrs are the parts of Text in a line of vassal or its kin. Without attrs,
	// Text is the message.
	message string
	attrs   []slog.Attr
	own     bool // it is of vassal or its kin, and not of the program that they run
}

// What a vassal's last lines may take at most.
const (
	maxLines = 256
	maxBytes = 32 << 10
)

// behind is how many lines a follower may be behind.
const behind = 256

// Log is the last lines of one vassal.
type Log struct {
	mu        sync.Mutex
	last      uint64
	lines     []Line
	bytes     int
	followers map[*follower]bool
	forgotten bool

	writers int // guarded by the Store

	name  string
	store *Store // nil: of no store
}

type follower struct {
	lines chan Line
	lost  uint64
}

// add numbers a line and keeps it.
func (l *Log) add(line Line) {
	if !utf8.ValidString(line.Text) {
		line.Text = string([]rune(line.Text)) // as JSON will have it
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
		clear(l.lines[:drop]) // their texts are garbage now
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

// Before returns the last line of the vassal's program before our own newest warning that
// contains about: it may say why. Empty: there is none, or it is too old.
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
		case line.says():
			return line.Text
		}
	}
	return ""
}

// says reports whether the program has printed the line, and it may tell why it ended: there
// is a word in it, and that is no entry of an access log, which other workers print.
func (l Line) says() bool {
	return !l.own && strings.ContainsFunc(l.Text, unicode.IsLetter) && !isAccess(l.Text)
}

// isAccess reports whether a line has the request line of HTTP in quotes, as in the common log
// format.
func isAccess(text string) bool {
	before, after, _ := strings.Cut(text, " HTTP/")
	version, _, quoted := strings.Cut(after, `"`)
	return quoted && len(version) <= len("1.1") && strings.Contains(before, `"`)
}

// Follow returns the last n lines and a channel of those that come, until stop is
// called or the log is forgotten; then it is closed. A reader that is slow misses
// some, and is told how many.
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

// dismiss ends what a follower gets. The lock is held.
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

// storeFollower gets the lines of all vassals that it wants.
type storeFollower struct {
	wants func(vassal string) bool
	lines chan VassalLine
	lost  uint64
}

// manyBehind is how many lines a follower of a Store may be behind.
const manyBehind = 2048

// Follow returns a channel of new lines of all vassals that wants accepts, also of those that come
// later, until stop is called. A reader that is slow misses some, and is told how many. wants must
// be fast and safe for concurrent use.
func (s *Store) Follow(wants func(vassal string) bool) (next <-chan VassalLine, stop func()) {
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
		if !f.wants(line.Vassal) {
			continue
		}
		line.Lost = f.lost
		deliver(f.lines, line, &f.lost)
	}
}

// Of returns the log of a vassal, which is made if there is none.
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

// writable returns the log for somebody who adds to it until done is called.
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

// Forget drops the log of a vassal that is gone, unless another one of its name has
// begun to write into it. Who follows it gets no more.
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
