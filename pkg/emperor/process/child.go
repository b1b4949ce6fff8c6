package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/poll"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Descriptors of a vassal, beside stdio.
const (
	pipeFD   = 3
	orderFD  = 4
	configFD = 5 // only of programs that are not ours
)

const (
	// deathSignal is sent to vassals when the emperor is killed.
	deathSignal = syscall.SIGKILL
	// protocolWait limits how long a reload waits for a vassal to show whether it uses the order
	// channel.
	protocolWait = 2 * time.Second
	// clearTimeout limits the wait for the end of all processes of a killed vassal.
	clearTimeout = 10 * time.Second
)

// child is one generation of a vassal as a process. It implements Process.
type child struct {
	resources resources
	protocol  protocol
	ends      ends

	tree       bool               // has a pid namespace: all its processes end with it
	connection emperor.Connection // nil: none
	attachment atomic.Pointer[emperor.Attachment]
	guest      guest

	steps      []emperor.LaunchStep // of its launch; not changed after that
	receiver   receiver
	boot       ownBoot
	life       life
	dead       chan struct{} // closed when it is dead
	keeping    chan struct{} // closed when kept is set and the process was asked to stop; nil: nothing is kept
	kept       namespaces.Sockets
	oomCounter atomic.Pointer[oomCounter] // nil: not counted
	output     *os.File                   // read end of its stdout and stderr
	part       int64                      // share of the emperor's pipe memory, for output
	stdout     outputReader
}

// resources are the process of a generation and its resources outside, which the ledger records.
type resources struct {
	log      *slog.Logger
	launcher *Launcher
	request  emperor.Request
	process  *namespaces.Process
	cgroup   *namespaces.Cgroup          // nil: none
	limits   []namespaces.CgroupLimit    // of the cgroup; only Adjust changes them after the launch
	ids      *namespaces.IDs             // of its user namespace; nil: no range of its own
	entry    ledgerEntry                 // with the links that hooks have made into its network
	written  atomic.Pointer[ledgerEntry] // the recorded one; nil: none
	// connected is its link in the emperor's network that no hook has made. Empty: none.
	connected string
}

// ends are the emperor's ends of the channels to a child.
type ends struct {
	pipe    *os.File
	orders  *wire.EmperorEnd
	configs *os.File // of the config socket; nil: none
	notify  *notifySocket
}

// protocol is the way in which a child communicates.
type protocol struct {
	current    atomic.Pointer[emperor.Plan]   // the configuration that the child is asked to run
	usesOrders atomic.Bool                    // the child has answered on the order channel
	replaced   atomic.Bool                    // the child has become a program without our protocol
	probed     atomic.Bool                    // an unanswered probe decides when that program is ready
	landlocks  atomic.Pointer[wire.Landlocks] // of the child; nil: none
	// stopSignal stops that program. Zero: SIGTERM.
	stopSignal atomic.Int32
	// known is closed when the child has shown its protocol, notified when it has sent READY=1.
	known, notified         chan struct{}
	knownOnce, notifiedOnce sync.Once
}

// markKnown records that the child has shown its protocol.
func (p *protocol) markKnown() { p.knownOnce.Do(func() { close(p.known) }) }

// connect makes the channels and returns the child's ends, by descriptor number.
func (c *child) connect() (ends []*os.File, err error) {
	stdin, err := c.stdin()
	if err != nil {
		return nil, err
	}
	ends = append(ends, stdin)
	var write, theirs *os.File
	if c.output, write, err = pipe(); err != nil {
		return ends, err
	}
	ends = append(ends, write, write)
	c.part = c.resources.launcher.Poller.pipes.enlarge(write)
	if c.ends.pipe, theirs, err = stream("pipe"); err != nil {
		return ends, err
	}
	ends = append(ends, theirs)
	if c.ends.orders, theirs, err = wire.Pair(); err != nil {
		return ends, err
	}
	ends = append(ends, theirs)
	if c.resources.launcher.Programs.Wrappers.None() {
		return ends, nil
	}
	if c.ends.configs, theirs, err = stream("configs"); err != nil {
		return ends, err
	}
	return append(ends, theirs), nil
}

// stdin returns the socket of an on-demand vassal, as in uWSGI, or an empty input.
func (c *child) stdin() (*os.File, error) {
	if c.resources.request.Socket == nil {
		return os.Open(os.DevNull)
	}
	raw, err := c.resources.request.Socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	control := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 3) })
	if err = errors.Join(control, err); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket of the vassal"), nil
}

// stream makes a connected pair.
func stream(name string) (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(pair[0]), name), os.NewFile(uintptr(pair[1]), name+" of the vassal"), nil
}

// PID implements Process.
func (c *child) PID() int { return c.resources.process.PID }

// Watch implements Process. No goroutine waits for the vassal: the goroutine of the Set watches
// all vassals, and starts one for each that has ended.
func (c *child) Watch(report func(emperor.Message), over func(emperor.Exit)) {
	c.readOutput()
	c.receiver.start(c, report)
	c.resources.launcher.Poller.messages.Watch(c.resources.process, func() time.Duration {
		if !c.resources.process.Dead() {
			return pace
		}
		close(c.dead)
		go func() {
			c.receiver.rest()
			c.life.over()
			var exit emperor.Exit
			namespaces.Bounded(func() { exit = c.reap() })
			over(exit)
		}()
		return poll.Never
	})
}

// reap kills the rest of a dead vassal's session before it reaps the vassal, because its pid
// cannot be reused until then.
func (c *child) reap() emperor.Exit {
	if !c.tree {
		_ = syscall.Kill(-c.resources.process.PID, syscall.SIGKILL)
	}
	status, err := c.resources.process.Wait()
	if !c.life.asked.Load() {
		if why := c.boot.failure(c.resources.log); why != "" {
			c.receiver.reason = why
		}
	}
	x := emperor.Exit{ExitStatus: status, Err: err, OOMKills: c.oomCounter.Load().kills(), Reason: c.receiver.reason, Own: c.receiver.own}
	if c.protocol.replaced.Load() && !c.life.asked.Load() && x.String() == (emperor.Exit{}).String() {
		x.Reason = x.String() + ", or its program went into the background: " + wire.Foreground
	}
	c.life.status = x.Effective()
	return x
}

// Stop implements Process. A program that replaced the vassal and closed the pipe gets a signal.
func (c *child) Stop(graceful bool) {
	c.life.asked.Store(true)
	if c.keeping == nil {
		c.ask(graceful)
		return
	}
	go func() {
		if h := c.holder(); h != nil {
			if err := h.Hold(); err != nil {
				c.resources.log.Warn("clients of its published ports do not wait for the next process", "error", err)
			}
		}
		c.keepSockets()
		c.ask(graceful)
		close(c.keeping)
	}()
}

func (c *child) ask(graceful bool) {
	how := wire.Stop
	if graceful {
		how = wire.StopGracefully
	}
	if c.send(how) != nil {
		c.terminate()
	}
}

// terminate sends the stop signal to the program that replaced the vassal.
func (c *child) terminate() {
	sig := syscall.Signal(c.protocol.stopSignal.Load())
	if sig <= 0 || sig > 64 {
		sig = syscall.SIGTERM
	}
	_ = c.resources.process.Terminate(sig)
}

// errReplaced is the error of a reload of a vassal that has become another program.
var errReplaced = errors.New("the program that took the vassal's place cannot reload")

// Reload implements Process. A vassal that uses the order channel gets the bytes on it. Any other
// vassal gets uWSGI's command to reload, and requests the bytes by a report. A vassal that has
// just reported that it accepts may not have shown its protocol yet.
func (c *child) Reload(p emperor.Plan, serial uint64) error {
	timer := time.NewTimer(protocolWait)
	defer timer.Stop()
	select {
	case <-c.protocol.known:
	case <-c.dead:
	case <-timer.C:
	}
	if c.protocol.replaced.Load() {
		return errReplaced
	}
	c.protocol.current.Store(&p)
	if c.protocol.usesOrders.Load() || c.resources.launcher.programFor(p) == nil { // our program uses it, although it may not have shown that yet
		r := c.resources.request
		r.Plan = &p
		o := c.resources.launcher.orderFor(c, r)
		o.Serial = serial
		return c.ends.orders.SendOrder(o)
	}
	return c.send(wire.Reload)
}

// send writes one byte. It fails immediately when it would block, or when no process reads.
func (c *child) send(m wire.Command) error { return write(c.ends.pipe, []byte{byte(m)}) }

// write writes to a socket without blocking.
func write(f *os.File, text []byte) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(int(fd), text, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	})
	return errors.Join(err, sent)
}

// Restore implements Process.
func (c *child) Restore() {
	if c.ends.notify == nil {
		return
	}
	if w := c.ends.notify.watch.Load(); w != nil {
		w.Renew(c.restore)
	}
}

// restore reports whether it had to bind the socket for sd_notify(3) again.
func (c *child) restore() (bound bool) {
	if p := c.resources.written.Load(); p != nil {
		if err := c.resources.launcher.Ledger.restore(c.resources.request.Config.Name, c.resources.request.Generation, *p); err != nil {
			c.resources.log.Warn("a killed emperor would leave something of this vassal behind", "error", err)
		}
	}
	bound, err := c.ends.notify.rebind()
	if err != nil {
		c.resources.log.Warn("its socket for sd_notify was removed, and cannot be made again", "error", err)
	}
	return bound
}

// Kill implements Process.
func (c *child) Kill() {
	c.life.asked.Store(true)
	c.end()
}

// end kills the process, also when it was not asked to stop.
func (c *child) end() {
	if c.resources.cgroup != nil {
		_ = c.resources.cgroup.Kill()
	}
	_ = c.resources.process.Signal(syscall.SIGKILL)
}

// Clear implements Process.
func (c *child) Clear(ctx context.Context) error {
	defer namespaces.Bounded(c.close)
	if c.keeping != nil {
		<-c.keeping
	}
	c.resources.unwatch()
	// The kernel would delete the links later, and the next generation would find their names in
	// use.
	err := errors.Join(c.resources.clearCgroup(), c.disconnect(), c.resources.launcher.Sweeper.Delete(c.resources.entry.Links))
	namespaces.Bounded(func() { err = errors.Join(err, removeAll(c.resources.entry.Directories)) })
	if err == nil {
		c.resources.launcher.Ledger.forget(c.resources.request.Config.Name, c.resources.request.Generation)
	}
	c.stdout.end()
	c.life.ended(ctx, c)
	return err
}

// abandon ends a child that did not get its order, or whose launch failed, and returns when
// nothing of it is left. It reports a child that ends slowly.
func (c *child) abandon() {
	slow := time.AfterFunc(namespaces.Unkillable, func() {
		for _, p := range namespaces.Stuck(c.PID()) {
			c.resources.log.Error("a process was killed and does not end", p.Attrs()...)
		}
	})
	defer slow.Stop()
	dead := make(chan emperor.Exit)
	c.Kill()
	c.Watch(func(emperor.Message) {}, func(x emperor.Exit) { dead <- x })
	<-dead
	if err := c.Clear(context.Background()); err != nil {
		c.resources.log.Error("cannot remove all that was left", "error", err)
	}
}

// close closes all open descriptors.
func (c *child) close() {
	closeAll([]*os.File{c.ends.pipe, c.ends.configs, c.output})
	c.resources.launcher.Poller.pipes.release(c.part)
	c.part = 0
	if c.ends.orders != nil {
		c.ends.orders.Close()
	}
	if c.ends.notify != nil {
		c.ends.notify.close()
	}
	if c.resources.process != nil {
		c.resources.process.Close()
	}
	c.guest.end()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close() // closing twice returns a harmless error
		}
	}
}
