package process

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/poll"
	"github.com/emperor-go/emperor/internal/uwsgiproto"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// dyingTime is how long a dying vassal may still live after its pipe closed.
const dyingTime = 200 * time.Millisecond

// receiver receives the messages of one child on all its channels. One goroutine calls it at a
// time: the Poller's, and after the child's death the one that receives the rest.
type receiver struct {
	child    *child
	report   func(emperor.Message)
	channels []*channel

	closed bool // the child has closed its pipe
	// reason is the reported reason of the child's end, and own the reported end of its program.
	reason string
	own    wire.End
}

// start starts to receive.
func (r *receiver) start(c *child, report func(emperor.Message)) {
	r.child = c
	r.report = func(m emperor.Message) {
		c.life.observe(c, m)
		report(m)
	}
	r.watch(c.ends.pipe, r.pipe)
	r.watch(c.ends.orders, r.notice)
	if c.ends.notify != nil {
		c.ends.notify.watch.Store(r.watch(c.ends.notify.file, r.notification))
	}
}

// watch starts to receive from one channel.
func (r *receiver) watch(f syscall.Conn, receive func() time.Duration) *poll.Watch {
	e := &channel{receive: receive}
	e.watch = r.child.resources.launcher.Poller.messages.Watch(f, func() time.Duration {
		if rest := e.receive(); rest != 0 {
			return rest
		}
		return e.pause()
	})
	r.channels = append(r.channels, e)
	return e.watch
}

// rest receives the remaining messages of a dead child.
func (r *receiver) rest() {
	for _, e := range r.channels {
		e.watch.Stop()
		for n := 0; n < burst && e.receive() == 0; n++ {
		}
	}
}

// pipe receives the bytes of uWSGI's protocol, up to 64 at a time. A vassal that closes
// the pipe gets the time to die, or to execute another program, which are no curse. That
// program cannot know of a stop that came right before its execve: it is asked again. It does not
// have the pipe, which is closed then.
func (r *receiver) pipe() time.Duration {
	c := r.child
	var buffer [64]byte
	n, err := receiveNow(c.ends.pipe, buffer[:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return pace
	case err == nil && n > 0:
		r.passOn(buffer[:n])
		return 0
	case !r.closed:
		r.closed = true
		return dyingTime
	case c.resources.process.Dead():
		return poll.Never
	case !c.protocol.replaced.Load():
		r.report(emperor.Closed{})
		return poll.Never
	case c.life.asked.Load():
		c.terminate()
	}
	return poll.Over
}

// passOn passes on each kind of report of a batch once.
func (r *receiver) passOn(batch []byte) {
	var seen [256]bool
	for _, b := range batch {
		if seen[b] {
			continue
		}
		seen[b] = true
		if wire.Report(b) == wire.SendConfig {
			r.child.pushConfig()
		}
		r.report(wire.Report(b))
	}
}

// notice receives from the order channel. The vassal's protocol is known with its first
// notice that is not about the boot, or when it closes the channel.
func (r *receiver) notice() time.Duration {
	c := r.child
	n, err := c.ends.orders.TakeNotice()
	switch {
	case errors.Is(err, unix.EAGAIN):
		return pace
	case errors.Is(err, wire.ErrGarbage):
		return 0
	case err != nil:
		c.protocol.markKnown()
		replaced := c.protocol.replaced.Load()
		if c.boot.over(replaced); replaced {
			return poll.Over
		}
		return poll.Never
	case n.Kind == wire.Refused:
		c.boot.refused = &n
		return 0
	}
	if n.Kind != wire.Exec {
		c.boot.spoken(c.resources.log)
	}
	switch n.Kind {
	case wire.Ended:
		if n.End != nil {
			r.own = *n.End
		} else {
			r.reason = n.Text
		}
		return 0
	case wire.HookEnded, wire.Booting:
		r.report(n)
		return 0
	}
	if n.Kind == wire.Confined {
		next := wire.Landlocks{}
		if before := c.protocol.landlocks.Load(); before != nil {
			next = *before
		}
		next.Add(n.Landlocks)
		c.protocol.landlocks.Store(&next)
		r.report(n)
		return 0
	}
	c.protocol.usesOrders.Store(n.Kind != wire.Exec)
	if n.Kind == wire.Exec {
		c.protocol.replaced.Store(true)
		c.boot.announce(c.resources.log)
		c.protocol.stopSignal.Store(int32(n.StopSignal))
		c.protocol.probed.Store(n.Probe != nil && n.Probe.Kind != "notify")
	}
	r.report(n)
	c.protocol.markKnown() // the loop knows
	if n.Kind == wire.Exec && n.Probe != nil {
		c.life.startProbe(c, *n.Probe, n.Program, r.report)
	}
	return 0
}

// notification receives from the vassal's sd_notify socket.
func (r *receiver) notification() time.Duration {
	c := r.child
	n, ok, err := c.ends.notify.receive(c)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return pace
	case err != nil:
		return poll.Never
	case ok:
		if n.Ready {
			c.protocol.notifiedOnce.Do(func() { close(c.protocol.notified) })
			for range burst { // a program sends this after the vassal has announced it
				if c.protocol.replaced.Load() || r.notice() != 0 {
					break
				}
			}
			n.Ready = !c.protocol.probed.Load()
		}
		r.report(n)
	}
	return 0
}

// pushConfig sends the configuration to a program that requests it, as a packet of uWSGI's
// with modifier 115.
func (c *child) pushConfig() {
	if c.ends.configs == nil {
		return
	}
	text := c.protocol.current.Load().Data
	err := wire.Pushable(text)
	if err == nil {
		var packet []byte
		if packet, err = uwsgiproto.Packet(uwsgiproto.Config, text); err == nil {
			err = write(c.ends.configs, packet)
		}
	}
	if err != nil {
		c.resources.log.Error("cannot send it its configuration", "error", err)
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
