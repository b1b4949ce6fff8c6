package termlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxLine is where a longer line is cut in two, in bytes.
const maxLine = 4096

// lineCost is what a line of a log takes that says next to nothing, in bytes.
const lineCost = 256

// Lines reads r until it ends or fails and calls emit for each line, without its
// end. Lines over 4 KiB are passed on in pieces, and a last line without a
// newline counts. When limit is above zero, at most that many bytes are passed
// on, a short line being counted like one of lineCost; the rest is read, so that the
// writer never blocks, and a last call says how much it was.
func Lines(r io.Reader, limit int64, emit func(line string)) {
	b := bufio.NewReaderSize(r, maxLine)
	var passed, dropped int64
	for {
		line, err := b.ReadSlice('\n')
		switch {
		case len(line) == 0:
		case limit > 0 && passed >= limit:
			dropped += int64(len(line))
		default:
			passed += int64(max(len(line), lineCost))
			emit(string(trimEnd(line)))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	if dropped > 0 {
		emit(fmt.Sprintf("(%d more bytes of output are not logged)", dropped))
	}
}

func trimEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}
