package process

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/poll"
	"github.com/emperor-go/emperor/internal/termlog"
)

// openOutputWait is how long the output of a dead vassal is read while another process keeps it
// open.
const openOutputWait = time.Second

const (
	// printRate is how many bytes a vassal may print in a second over a long time, and
	// printBurst how many at once. A line costs at least lineCost.
	printRate  = 4 << 20
	printBurst = 8 << 20
	lineCost   = 256
	// printPause is the interval of reading the output of a vassal that prints much, and
	// printTaken how much is read at a time.
	printPause = 2 * time.Millisecond
	printTaken = 64 << 10
)

// outputReader passes on the output of a vassal and all its children, until no process has the
// pipe open. It never waits for the destination, so the vassal does not either: output beyond
// the rate is read and dropped.
type outputReader struct {
	left    int       // of printBurst
	counted time.Time // the time of that
	lost    int       // dropped lines
	losing  bool
	lines   termlog.Splitter
	line    func([]byte)
	last    func() string // last line of the vassal's program
	watch   *poll.Watch   // nil: it has not begun
	silent  chan struct{} // closed when no process has the pipe open
	close   func()
}

// readOutput starts reading the vassal's output.
func (c *child) readOutput() {
	p := &c.stdout
	p.line, p.close, p.last = func(line []byte) { c.resources.log.Info(termlog.Text(line)) }, func() {}, func() string { return "" }
	if c.resources.launcher.Output != nil {
		r := c.resources.request
		sink := c.resources.launcher.Output.Open(output.Vassal{Name: r.Name, UID: r.UID, To: r.LogTo, Log: c.resources.log})
		p.line, p.close, p.last = func(line []byte) { sink.Line(termlog.Text(line)) }, sink.Close, sink.Last
	}
	p.silent = make(chan struct{})
	p.watch = c.resources.launcher.Poller.output.Watch(c.output, func() time.Duration {
		buffer := c.resources.launcher.Poller.buffer // of the one goroutine that calls this
		n, err := readNow(c.output, buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return pace
		case err != nil || n == 0:
			close(p.silent)
			return poll.Never
		}
		now := time.Now()
		for piece := range slices.Chunk(buffer[:n], printTaken/16) { // each of which is within the budget
			p.accept(piece, now)
		}
		if n > printTaken/16 {
			return printPause
		}
		return 0
	})
}

// accept passes on output, or drops it.
func (p *outputReader) accept(text []byte, now time.Time) {
	lines := bytes.Count(text, []byte("\n"))
	p.left = min(printBurst, p.left+int(min(now.Sub(p.counted), 2*time.Second).Seconds()*printRate))
	p.counted = now
	if p.losing && p.left >= printBurst/2 { // enough budget to continue, from the next line on
		if _, rest, found := bytes.Cut(text, []byte("\n")); found {
			p.lost++
			p.reportLost()
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

func (p *outputReader) reportLost() {
	p.line([]byte("<4v>" + strconv.Itoa(max(p.lost, 1)) + " lines were lost: the vassal prints faster than the log accepts\n"))
	p.lost = 0
}

// end waits for the last output of a dead vassal, and stores it.
func (p *outputReader) end() {
	if p.watch == nil {
		return
	}
	timer := time.NewTimer(openOutputWait)
	defer timer.Stop()
	select {
	case <-p.silent:
	case <-timer.C: // a foreign process keeps it open
	}
	p.watch.Stop()
	if p.losing {
		p.reportLost()
	}
	p.lines.End(p.line)
	p.close()
}

// LastLine implements Process.
func (c *child) LastLine() string {
	if c.stdout.watch == nil {
		return ""
	}
	return c.stdout.last()
}

// readNow reads the available bytes without blocking.
func readNow(f *os.File, buffer []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	control := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), buffer) })
	return n, errors.Join(control, err)
}
