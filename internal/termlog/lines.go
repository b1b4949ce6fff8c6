package termlog

import (
	"bytes"
	"fmt"
	"io"
)

// maxLine is where a longer line is cut in two, in bytes.
const maxLine = 4096

// lineCost is what a line of a log takes that says next to nothing, in bytes.
const lineCost = 256

// Splitter cuts a stream into lines. The zero value is at its beginning.
type Splitter struct{ rest []byte }

// Split takes what comes next and calls emit for each line that is complete, with
// its end, or longer than 4 KiB and cut there. It keeps the beginning of the next.
// emit must not keep its argument.
func (s *Splitter) Split(text []byte, emit func(line []byte)) {
	for len(text) > 0 {
		n := bytes.IndexByte(text, '\n') + 1
		whole := n > 0
		if !whole {
			n = len(text)
		}
		if room := maxLine - len(s.rest); n >= room {
			n, whole = room, true
		}
		line := text[:n]
		if text = text[n:]; len(s.rest) > 0 || !whole {
			s.rest = append(s.rest, line...)
			line = s.rest
		}
		if whole {
			s.rest = nil
			emit(line)
		}
	}
}

// End calls emit for a last line without an end, if there is one.
func (s *Splitter) End(emit func(line []byte)) {
	if len(s.rest) > 0 {
		emit(s.rest)
		s.rest = nil
	}
}

// Text is a line of a Splitter without its end.
func Text(line []byte) string { return string(bytes.TrimRight(line, "\r\n")) }

// Lines reads r until it ends or fails and calls emit for each line, without its
// end. Lines over 4 KiB are passed on in pieces, and a last line without a
// newline counts. When limit is above zero, at most that many bytes are passed
// on, a short line being counted like one of lineCost; the rest is read, so that the
// writer never blocks, and a last call says how much it was.
func Lines(r io.Reader, limit int64, emit func(line string)) {
	var (
		lines           Splitter
		passed, dropped int64
	)
	pass := func(line []byte) {
		if limit > 0 && passed >= limit {
			dropped += int64(len(line))
			return
		}
		passed += int64(max(len(line), lineCost))
		emit(Text(line))
	}
	for buffer := make([]byte, maxLine); ; {
		n, err := r.Read(buffer)
		lines.Split(buffer[:n], pass)
		if err != nil {
			break
		}
	}
	lines.End(pass)
	if dropped > 0 {
		emit(fmt.Sprintf("(%d more bytes of output are not logged)", dropped))
	}
}
