package vassal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/announce"
	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// flushWait is how long this process waits for the emperor to receive its notices.
const flushWait = time.Second

// link is the connection to the emperor: a pipe for single bytes, and a channel for orders and
// notices. Without an emperor it sends nothing and never delivers.
type link struct {
	pipe   *wire.VassalPipe // nil: none
	orders *wire.VassalEnd  // nil: none, or the first order has not arrived
	parked int              // the descriptor on which the first order arrives; 0: none
	notify []string         // the variables by which a program that replaces this one notifies the emperor (sd_notify(3))
	log    *slog.Logger

	commands <-chan wire.Command // closed when the emperor is gone
	later    <-chan wire.Order   // the orders after the first
	ended    <-chan struct{}     // closed when no later order can arrive; nil: nothing receives
}

// open takes the descriptors of the emperor from the environment.
func (l *link) open() error {
	fd, ok, err := takeFD(wire.PipeEnv)
	if err != nil {
		return err
	}
	if ok {
		l.pipe = wire.NewVassalPipe(fd)
		if err := l.pipe.Report(wire.Spawned); err != nil {
			return err
		}
		if path, ok := os.LookupEnv("NOTIFY_SOCKET"); ok {
			l.notify = []string{"NOTIFY_SOCKET=" + path}
		}
	}
	fd, ok, err = takeFD(wire.OrderEnv)
	if ok {
		l.parked = fd
		err = errors.Join(err, goprocs.Restore())
	}
	return err
}

// await blocks until the first order. It returns nil when none is to come.
func (l *link) await() (*wire.Order, error) {
	if l.parked == 0 {
		return nil, nil
	}
	o, err := wire.Park(l.parked)
	if err != nil {
		return nil, err
	}
	l.orders, l.parked = wire.NewVassalEnd(l.parked), 0
	return &o, nil
}

// receiveCommands starts to receive the emperor's commands. It is called once.
func (l *link) receiveCommands() { l.commands = l.pipe.Commands() }

// receiveOrders starts to receive the orders after the first: requests to reload with other
// bytes, each to be answered by one notice with its serial. It is called once, after the boot.
// The channel is never closed: the pipe reports the end of the emperor.
func (l *link) receiveOrders() <-chan wire.Order {
	if l.orders == nil {
		return nil
	}
	later, ended := make(chan wire.Order), make(chan struct{})
	l.later, l.ended = later, ended
	go func() {
		defer close(ended)
		for {
			o, err := l.orders.ReceiveOrder()
			if err != nil {
				return
			}
			later <- o
		}
	}()
	return later
}

// silence stops receiving without losing a message, and reports whether a command to stop was
// among the last ones. It refuses the last orders with the reason.
func (l *link) silence(reason string) (stop bool) {
	if l.commands != nil {
		l.pipe.StopReceiving()
		for c := range l.commands {
			stop = stop || c != wire.Reload
		}
	}
	if l.ended == nil {
		return stop
	}
	l.orders.StopReceiving()
	for {
		select {
		case o := <-l.later:
			l.answer(o.Serial, wire.Failed, reason)
		case <-l.ended:
			l.ended = nil
			return stop
		}
	}
}

// close ends the connection for the emperor as well.
func (l *link) close() {
	if l.orders != nil {
		l.orders.Close()
	}
	if l.pipe != nil {
		_ = l.pipe.Close() // which has no error that matters here
	}
}

// report sends a byte. The end of the emperor is not an error here: commands reports it.
func (l *link) report(r wire.Report) {
	if err := l.pipe.Report(r); err != nil {
		l.log.Debug("the emperor does not listen", "error", err)
	}
}

// answer reports the result of an order.
func (l *link) answer(serial uint64, kind wire.NoticeKind, text string) {
	l.orders.Post(wire.Notice{Serial: serial, Kind: kind, Text: text})
}

// reportFailure reports the reason for exit code 1, in one line for lists: the log has all of
// it.
func (l *link) reportFailure(err error) {
	if l.orders == nil || !failure(err) {
		return
	}
	text, rest, more := strings.Cut(err.Error(), "\n")
	if more {
		text += fmt.Sprintf(" (and %d more)", 1+strings.Count(rest, "\n"))
	}
	l.answer(0, wire.Ended, text)
	l.orders.Flush(flushWait)
}

// reportDeaths reports workers that died, or have recovered.
func (l *link) reportDeaths(d wire.Deaths) {
	l.orders.Post(wire.Notice{Kind: wire.Workers, Deaths: &d})
}

// reportEnd reports how a program ended that was asked to stop.
func (l *link) reportEnd(e wire.End) { l.orders.Post(wire.Notice{Kind: wire.Ended, End: &e}) }

// reportGap reports how long a reload has left the vassal without workers.
func (l *link) reportGap(d time.Duration) { l.orders.Post(wire.Notice{Kind: wire.Gap, Gap: d}) }

// reportLandlocks reports the restrictions of this process.
func (l *link) reportLandlocks(list []namespaces.Landlock) {
	list = slices.DeleteFunc(slices.Clone(list), namespaces.Landlock.None)
	if len(list) == 0 {
		return
	}
	n := wire.Notice{Kind: wire.Confined, Landlocks: list}
	if !n.Fits() {
		n.Landlocks = nil
	}
	l.orders.Post(n)
}

// reportWait reports the point at which the boot waits.
func (l *link) reportWait(point string) { l.orders.Post(wire.Notice{Kind: wire.Booting, Text: point}) }

// reportHook reports a hook that has run.
func (l *link) reportHook(r hooks.Result) { l.orders.Post(workers.HookNotice(r)) }

// reportAddresses reports the addresses at which the vassal listens.
func (l *link) reportAddresses(o *config.Vassal) {
	l.orders.Post(wire.Notice{Kind: wire.Listening, Addresses: o.Addresses()})
}

// announceProgram reports that a program which does not speak the emperor's protocol replaces
// this process, or serves as its child: the end of the connection is no failure then. Without
// a probe the program is ready.
func (l *link) announceProgram(o *config.Vassal, child int) error {
	n := announce.Program(o, child, len(l.notify) > 0)
	if !n.Fits() {
		return errors.New("the command of ready-probe is too long: put it into a script")
	}
	if n.Probe == nil {
		if err := l.pipe.Report(wire.Accepting); err != nil {
			return err
		}
	}
	l.orders.Post(n)
	l.orders.Flush(flushWait)
	return nil
}
