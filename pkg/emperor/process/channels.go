package process

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/poll"
	"github.com/emperor-go/emperor/internal/uwsgiproto"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// dyingTime is how long a dying vassal may still live after its pipe closed.
const dyingTime = 200 * time.Millisecond

// receive starts to receive from the vassal on every channel.
func (c *child) receive(report func(emperor.Message)) {
	ready := func(m emperor.Message) {
		c.life.observe(c, m)
		report(m)
	}
	c.receiveFrom(c.pipe, func() time.Duration { return c.receivePipe(ready) })
	c.receiveFrom(c.orders, func() time.Duration { return c.receiveNotice(ready) })
	if c.notify != nil {
		c.notify.watch.Store(c.receiveFrom(c.notify.file, func() time.Duration { return c.receiveNotification(ready) }))
	}
}

// receivePipe receives the bytes of uWSGI's protocol, up to 64 at a time. A vassal that closes
// the pipe gets the time to die, or to execute another program, which are no curse. That
// program cannot know of a stop that came right before its execve: it is asked again.
func (c *child) receivePipe(report func(emperor.Message)) time.Duration {
	var buffer [64]byte
	n, err := receiveNow(c.pipe, buffer[:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return pace
	case err == nil && n > 0:
		c.passOn(buffer[:n], report)
		return 0
	case !c.pipeClosed:
		c.pipeClosed = true
		return dyingTime
	case c.process.Dead():
	case !c.replaced.Load():
		report(emperor.Closed{})
	case c.life.asked.Load():
		c.terminate()
	}
	return poll.Never
}

// passOn passes on each kind of report of a batch once.
func (c *child) passOn(batch []byte, report func(emperor.Message)) {
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

// receiveNotice receives from the order channel. The vassal's protocol is known with its first
// notice that is not about the boot, or when it closes the channel.
func (c *child) receiveNotice(report func(emperor.Message)) time.Duration {
	n, err := c.orders.TakeNotice()
	switch {
	case errors.Is(err, unix.EAGAIN):
		return pace
	case errors.Is(err, wire.ErrGarbage):
		return 0
	case err != nil:
		c.protocolIsKnown()
		return poll.Never
	case n.Kind == wire.Ended:
		if n.End != nil {
			c.own = *n.End
		} else {
			c.reason = n.Text
		}
		return 0
	case n.Kind == wire.HookEnded, n.Kind == wire.Booting:
		report(n)
		return 0
	}
	c.usesOrders.Store(n.Kind != wire.Exec)
	if n.Kind == wire.Exec {
		c.replaced.Store(true)
		c.stopSignal.Store(int32(n.StopSignal))
		c.probed.Store(n.Probe != nil && n.Probe.Kind != "notify")
	}
	report(n)
	c.protocolIsKnown() // the loop knows
	if n.Kind == wire.Exec && n.Probe != nil {
		c.life.startProbe(c, *n.Probe, n.Program, report)
	}
	return 0
}

func (c *child) protocolIsKnown() { c.knownOnce.Do(func() { close(c.known) }) }

// receiveNotification receives from the vassal's sd_notify socket.
func (c *child) receiveNotification(report func(emperor.Message)) time.Duration {
	n, ok, err := c.notify.receive(c)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return pace
	case err != nil:
		return poll.Never
	case ok:
		if n.Ready {
			c.notifiedOnce.Do(func() { close(c.notified) })
			for range burst { // a program sends this after the vassal has announced it
				if c.replaced.Load() || c.receiveNotice(report) != 0 {
					break
				}
			}
			n.Ready = !c.probed.Load()
		}
		report(n)
	}
	return 0
}

// pushConfig sends the configuration to a program that requests it, as a packet of uWSGI's
// with modifier 115.
func (c *child) pushConfig() {
	if c.configs == nil {
		return
	}
	text := c.current.Load().Data
	err := wire.Pushable(text)
	if err == nil {
		var packet []byte
		if packet, err = uwsgiproto.Packet(uwsgiproto.Config, text); err == nil {
			err = write(c.configs, packet)
		}
	}
	if err != nil {
		c.log.Error("cannot send it its configuration", "error", err)
	}
}

// receiveNow receives available bytes from a socket without blocking.
func receiveNow(f *os.File, buffer []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	control := raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), buffer, unix.MSG_DONTWAIT) })
	return n, errors.Join(control, err)
}
