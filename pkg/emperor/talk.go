package emperor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

const (
	// burst is how many messages of one channel are heard at once, and pace the
	// time until the next is after that. A vassal that says more is read more
	// slowly: it fills its own buffers and costs the loop nothing.
	burst = 32
	pace  = 50 * time.Millisecond
	// agony is how long after its pipe closed a vassal that is just dying may
	// still be alive.
	agony = 200 * time.Millisecond
)

// listen starts to hear the vassal on every channel. The function it returns
// blocks until all has been heard that was said before the death.
func (c *child) listen(report func(Message)) (heard func()) {
	var group sync.WaitGroup
	ready := func(m Message) {
		c.life.hears(c, m)
		report(m)
	}
	group.Go(func() { c.hearPipe(ready) })
	group.Go(func() { c.hearNotices(ready) })
	if c.notify != nil {
		group.Go(func() { c.hearNotify(ready) })
	}
	return func() {
		_ = c.pipe.SetReadDeadline(time.Unix(1, 0))
		c.orders.StopReceiving()
		if c.notify != nil {
			c.notify.stop()
		}
		group.Wait()
		var last [64]byte // what it said and the reader had no time for
		n := readNow(c.pipe, last[:])
		c.hand(last[:n], ready)
	}
}

// hearPipe hears the bytes of uWSGI's protocol.
func (c *child) hearPipe(report func(Message)) {
	buffer, p := make([]byte, 64), pacer{dead: c.dead}
	for {
		n, err := c.pipe.Read(buffer)
		c.hand(buffer[:n], report)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // it is dead
			return
		case err != nil:
			c.closed(report)
			return
		case !p.wait():
			return
		}
	}
}

// hand hands on each kind of report of a batch once: what is repeated in one
// breath is of no news.
func (c *child) hand(batch []byte, report func(Message)) {
	var seen [256]bool
	for _, b := range batch {
		if seen[b] {
			continue
		}
		seen[b] = true
		if wire.Report(b) == wire.SendConfig {
			c.pushConfig()
		}
		report(wire.Report(b))
	}
}

// closed tells of a pipe that was closed by a vassal that lives on. One that is
// dying, or became another program, does so as well. That program cannot know of
// a stop which came when it was about to be executed: it is asked again.
func (c *child) closed(report func(Message)) {
	timer := time.NewTimer(agony)
	defer timer.Stop()
	select {
	case <-c.dead:
	case <-timer.C:
		switch {
		case !c.foreign.Load():
			report(Closed{})
		case c.life.asked.Load():
			_ = c.process.Terminate() // that it has just died shows in another place
		}
	}
}

// hearNotices hears the order channel. What the vassal speaks is known with its
// first notice that is not about a hook, or when it closes the channel.
func (c *child) hearNotices(report func(Message)) {
	show := sync.OnceFunc(func() { close(c.shown) })
	defer show()
	p := pacer{dead: c.dead}
	for {
		n, err := c.orders.ReceiveNotice()
		switch {
		case err == nil && n.Kind == wire.HookEnded:
			report(n)
		case err == nil:
			c.speaks.Store(n.Kind != wire.Exec)
			if n.Kind == wire.Exec {
				c.foreign.Store(true)
			}
			report(n)
			show() // the loop knows
			if n.Kind == wire.Exec && n.Probe != nil {
				c.life.probes(c, *n.Probe, report)
			}
		case !errors.Is(err, wire.ErrGarbage):
			return
		}
		if !p.wait() {
			return
		}
	}
}

// hearNotify hears the vassal's sd_notify socket.
func (c *child) hearNotify(report func(Message)) {
	p := pacer{dead: c.dead}
	for {
		n, ok, err := c.notify.receive(c)
		if err != nil {
			return
		}
		if ok {
			if n.Ready {
				c.readyOnce.Do(func() { close(c.notified) })
			}
			report(n)
		}
		if !p.wait() {
			return
		}
	}
}

// maxPush is the largest configuration that fits into a packet of uWSGI's.
const maxPush = 1<<16 - 1

// pushConfig gives the configuration to a program that asks for it, as a packet
// of uWSGI's with modifier 115.
func (c *child) pushConfig() {
	if c.configs == nil {
		return
	}
	if err := write(c.configs, configPacket(c.current.Load().Data)); err != nil {
		c.log.Error("cannot give it its configuration", "error", err)
	}
}

func configPacket(text []byte) []byte {
	packet := append(make([]byte, 0, 4+len(text)), 115, 0, 0, 0)
	binary.LittleEndian.PutUint16(packet[1:], uint16(len(text)))
	return append(packet, text...)
}

// pushable tells whether a configuration can be pushed.
func pushable(text []byte) error {
	if len(text) > maxPush {
		return fmt.Errorf("the configuration has %d bytes: a program of uWSGI's protocol takes %d", len(text), maxPush)
	}
	return nil
}

// pacer bounds how often something happens. The zero value has a full burst.
type pacer struct {
	dead <-chan struct{}
	next time.Time // when the burst is full again
}

// wait blocks until there may be one more, and reports whether the vassal lives.
func (p *pacer) wait() bool {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(pace)
	ahead := p.next.Sub(now) - burst*pace
	if ahead <= 0 {
		return true
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.dead:
		return false
	}
}

// readNow reads what is there without waiting.
func readNow(f *os.File, buffer []byte) int {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Control(func(fd uintptr) { n = receiveNow(int(fd), buffer) })
	return n
}
