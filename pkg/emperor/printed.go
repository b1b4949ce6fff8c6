package emperor

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/emperor/output"
	"github.com/emperor-go/emperor/pkg/emperor/poll"
)

// lastWords is how long the output of a dead vassal is read for while somebody still
// holds it open.
const lastWords = time.Second

// printing passes on what a vassal and all it started print, until nobody can print
// any more. It never waits for where that goes, so the vassal does not either.
type printing struct {
	lines  termlog.Splitter
	line   func([]byte)
	watch  *poll.Watch   // nil: it has not begun
	silent chan struct{} // closed when nobody can print any more
	close  func()
}

// print starts the vassal's printing.
func (c *child) print() {
	p := &c.printing
	p.line, p.close = func(line []byte) { c.log.Info(termlog.Text(line)) }, func() {}
	if c.system.Output != nil {
		sink := c.system.Output.Open(output.Vassal{Name: c.request.Name, UID: c.request.UID, To: c.request.LogTo, Log: c.log})
		p.line, p.close = func(line []byte) { sink.Line(termlog.Text(line)) }, sink.Close
	}
	p.silent = make(chan struct{})
	p.watch = c.system.Ears.prints.Watch(c.output, func() time.Duration {
		var buffer [4096]byte
		n, err := readNow(c.output, buffer[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return pace
		case err != nil || n == 0:
			close(p.silent)
			return poll.Never
		}
		p.lines.Split(buffer[:n], p.line)
		return 0
	})
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
	p.lines.End(p.line)
	p.close()
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
