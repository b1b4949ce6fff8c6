package vassal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// awaitOrder is where the process is parked.
func (v *Vassal) awaitOrder(context.Context) error {
	if v.parking == 0 || v.orders != nil { // nobody parked us, or it is long over
		return nil
	}
	o, err := wire.Park(v.parking)
	if err != nil {
		return err
	}
	v.order = &o
	v.openOrders()
	v.keep(o.Sockets)
	for _, b := range o.HookVars {
		v.hookVars = append(v.hookVars, string(b))
	}
	return nil
}

// laterOrders delivers each order after the first: a request to reload with
// other bytes, to be answered by one notice with its serial. It is called once,
// after the boot. The channel is never closed: that the emperor is gone is told
// by the pipe. Without an emperor it is nil and never delivers.
func (v *Vassal) laterOrders() <-chan wire.Order {
	if v.orders == nil {
		return nil
	}
	orders, done := make(chan wire.Order), make(chan struct{})
	v.later, v.hearing = orders, done
	go func() {
		defer close(done)
		for {
			o, err := v.orders.ReceiveOrder()
			if err != nil {
				return
			}
			orders <- o
		}
	}()
	return orders
}

// openOrders makes a channel of the descriptor that the order came over.
func (v *Vassal) openOrders() {
	v.orders = wire.NewVassalEnd(v.parking)
}

// lastWords is how long this process stays for an emperor to hear what it has said.
const lastWords = time.Second

// answer tells the emperor what has become of an order. It is lost when there is
// no emperor.
func (v *Vassal) answer(serial uint64, kind wire.NoticeKind, text string) {
	v.orders.Post(wire.Notice{Serial: serial, Kind: kind, Text: text})
}

// lament tells the emperor why this process is about to exit with 1. It is for lists: all
// of it is in the log.
func (v *Vassal) lament(err error) {
	if v.orders == nil || !failure(err) {
		return
	}
	text, rest, more := strings.Cut(err.Error(), "\n")
	if more {
		text += fmt.Sprintf(" (and %d more)", 1+strings.Count(rest, "\n"))
	}
	v.answer(0, wire.Ended, text)
	v.orders.Flush(lastWords)
}

// mourn tells the emperor of workers that died, or have recovered.
func (v *Vassal) mourn(d wire.Deaths) { v.orders.Post(wire.Notice{Kind: wire.Workers, Deaths: &d}) }

// parted tells the emperor how a program ended that was asked to stop.
func (v *Vassal) parted(e wire.End) { v.orders.Post(wire.Notice{Kind: wire.Ended, End: &e}) }

// gap tells the emperor for how long a reload has left it without workers.
func (v *Vassal) gap(d time.Duration) { v.orders.Post(wire.Notice{Kind: wire.Gap, Gap: d}) }

// booting tells the emperor what the boot waits for.
func (v *Vassal) booting(point string) { v.orders.Post(wire.Notice{Kind: wire.Booting, Text: point}) }

// hookEnded tells the emperor of a hook that has run.
func (v *Vassal) hookEnded(r hooks.Result) { v.orders.Post(workers.HookNotice(r)) }
