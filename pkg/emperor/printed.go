package emperor

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/emperor/output"
	"github.com/emperor-go/emperor/pkg/emperor/poll"
)

// lastWords is how long the output of a dead vassal is read for while somebody still
// holds it open.
const lastWords = time.Second

const (
	// printRate is what a vassal may print in a second, in bytes, for long, and
	// printBurst what it may at once. A line costs as much as one of lineCost.
	printRate  = 4 << 20
	printBurst = 8 << 20
	lineCost   = 256
	// printPause is the time between two looks at what a vassal prints that prints
	// much, and printTaken how much is taken at a time.
	printPause = 2 * time.Millisecond
	printTaken = 64 << 10
)

// printing passes on what a vassal and all it started print, until nobody can print
// any more. It never waits for where that goes, so the vassal does not either: what is
// too much is read and lost.
type printing struct {
	left    int       // of printBurst
	counted time.Time // when
	lost    int       // lines
	losing  bool
	lines   termlog.Splitter
	line    func([]byte)
	last    func() string // line of the vassal's program
	watch   *poll.Watch   // nil: it has not begun
	silent  chan struct{} // closed when nobody can print any more
	close   func()
}

// print starts the vassal's printing.
func (c *child) print() {
	p := &c.printing
	p.line, p.close, p.last = func(line []byte) { c.log.Info(termlog.Text(line)) }, func() {}, func() string { return "" }
	if c.system.Output != nil {
		sink := c.system.Output.Open(output.Vassal{Name: c.request.Name, UID: c.request.UID, To: c.request.LogTo, Log: c.log})
		p.line, p.close, p.last = func(line []byte) { sink.Line(termlog.Text(line)) }, sink.Close, sink.Last
	}
	p.silent = make(chan struct{})
	p.watch = c.system.Ears.prints.Watch(c.output, func() time.Duration {
		buffer := c.system.Ears.buffer // of the one goroutine that calls this
		n, err := readNow(c.output, buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return pace
		case err != nil || n == 0:
			close(p.silent)
			return poll.Never
		}
		now := time.Now()
		for piece := range slices.Chunk(buffer[:n], printTaken/16) { // each of which can be paid for
			p.take(piece, now)
		}
		if n > printTaken/16 {
			return printPause
		}
		return 0
	})
}

// take passes on what was printed, or loses it.
func (p *printing) take(text []byte, now time.Time) {
	lines := bytes.Count(text, []byte("\n"))
	p.left = min(printBurst, p.left+int(min(now.Sub(p.counted), 2*time.Second).Seconds()*printRate))
	p.counted = now
	if p.losing && p.left >= printBurst/2 { // enough for it to be worth while, from the next line on
		if _, rest, found := bytes.Cut(text, []byte("\n")); found {
			p.lost++
			p.tellLost()
			p.losing, text, lines = false, rest, lines-1
		}
	}
	if cost := len(text) + lines*lineCost; !p.losing && p.left >= cost {
		p.left -= cost
		p.lines.Split(text, p.line)
		return
	}
	if !p.losing {
		p.losing = true
		p.lines.End(p.line)
	}
	p.lost += lines
}

func (p *printing) tellLost() {
	p.line([]byte("<4v>" + strconv.Itoa(max(p.lost, 1)) + " lines were lost: it prints faster than they are kept\n"))
	p.lost = 0
}

// end waits for the last words of a dead vassal, and stores them.
func (p *printing) end() {
	if p.watch == nil {
		return
	}
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-p.silent:
	case <-timer.C: // somebody who is none of the vassal's keeps it open
	}
	p.watch.Stop()
	if p.losing {
		p.tellLost()
	}
	p.lines.End(p.line)
	p.close()
}

// LastLine implements Process.
func (c *child) LastLine() string {
	if c.printing.watch == nil {
		return ""
	}
	return c.printing.last()
}

// readNow reads what is there already from what does not block.
func readNow(f *os.File, buffer []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	control := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), buffer) })
	return n, errors.Join(control, err)
}
