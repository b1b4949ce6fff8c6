package termlog

import (
	"bytes"
	"fmt"
	"io"
)

// maxLine is the length, in bytes, at which a longer line is split.
const maxLine = 4096

// lineCost is the size, in bytes, of a log line around a nearly empty text.
const lineCost = 256

// Splitter splits a stream into lines. The zero value is ready to use.
type Splitter struct{ rest []byte }

// Split takes the next part of the stream and calls emit for each complete line, with its
// newline, and for each 4 KiB of a longer line. It keeps the incomplete line at the end. emit
// must not keep its argument.
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

// End calls emit for a last line without a newline, if there is one.
func (s *Splitter) End(emit func(line []byte)) {
	if len(s.rest) > 0 {
		emit(s.rest)
		s.rest = nil
	}
}

// Text returns a line of a Splitter without its newline.
func Text(line []byte) string { return string(bytes.TrimRight(line, "\r\n")) }

// Lines reads r until it ends or fails and calls emit for each line, without its newline. It
// splits lines over 4 KiB, and counts a last line without a newline. With a limit above zero
// it passes on at most that many bytes, counting a short line as lineCost. It reads and drops
// the rest, so that the writer never blocks, and reports the number of dropped bytes in a last
// call.
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
