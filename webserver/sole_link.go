package webserver

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// link is the connection to the emperor.
type link struct {
	pipe   *wire.VassalPipe
	orders *wire.VassalEnd
	later  chan wire.Order
}

// newLink takes ownership of descriptors.
func newLink(pipe, orders int) link {
	return link{wire.NewVassalPipe(pipe), wire.NewVassalEnd(orders), make(chan wire.Order)}
}

// inheritedLink takes the channels of the emperor from the environment.
func inheritedLink() (l link, err error) {
	var fds [2]int
	for i, key := range []string{wire.PipeEnv, wire.OrderEnv} {
		fd, err := strconv.Atoi(os.Getenv(key))
		if err != nil || fd < 3 {
			return l, fmt.Errorf("cannot use %s=%q: not a descriptor", key, os.Getenv(key))
		}
		syscall.CloseOnExec(fd)
		_ = os.Unsetenv(key)
		fds[i] = fd
	}
	return newLink(fds[0], fds[1]), nil
}

// receive receives orders. The pipe reports the end of the emperor.
func (l *link) receive() {
	for {
		o, err := l.orders.ReceiveOrder()
		if err != nil {
			return
		}
		l.later <- o
	}
}

// report sends a byte. The end of the emperor is not an error here.
func (l *link) report(r wire.Report) { _ = l.pipe.Report(r) }

// answer reports the result of an order.
func (l *link) answer(serial uint64, kind wire.NoticeKind, text string) {
	l.orders.Post(wire.Notice{Serial: serial, Kind: kind, Text: text})
}

// close reports the reason of the end of this process; nil: it was asked to stop.
func (l *link) close(err error, killed bool) {
	switch {
	case err != nil:
		text, rest, more := strings.Cut(err.Error(), "\n")
		if more {
			text += fmt.Sprintf(" (and %d more)", 1+strings.Count(rest, "\n"))
		}
		l.answer(0, wire.Ended, text)
	case killed:
		l.orders.Post(wire.Notice{Kind: wire.Ended, End: &wire.End{Signal: int(syscall.SIGKILL), Killed: true}})
	}
	l.orders.Flush(flushWait)
}

// flushWait is how long this process waits for the emperor to receive its last notices.
const flushWait = time.Second
