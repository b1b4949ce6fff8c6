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
	// protocolWait is how long a reload waits for a vassal to show whether it uses the
	// order channel.
	protocolWait = 2 * time.Second
	// clearTimeout bounds how long the end of everything that a vassal started is
	// waited for after it was killed.
	clearTimeout = 10 * time.Second
)

// child is one generation of a vassal as a process. It implements Process.
type child struct {
	resources
	protocol
	ends

	tree       bool               // a pid namespace: the process takes its whole tree with it
	connection emperor.Connection // nil: none
	attachment atomic.Pointer[emperor.Attachment]
	guest      guest

	life       life
	dead       chan struct{} // closed when it is dead
	keeping    chan struct{} // closed when kept is there and it was asked to stop; nil: nothing is kept
	kept       namespaces.Sockets
	oomCounter atomic.Pointer[oomCounter] // nil: nothing counts it
	// reason of its end, and own the end of its program, as it has reported; of the goroutine
	// that receives the reports.
	reason string
	own    wire.End

	output *os.File // read end of its stdout and stderr
	part   int64    // of the emperor's share of pipes, for output
	stdout outputReader
}

// resources are a generation's process and its resources outside, which the ledger records.
type resources struct {
	log      *slog.Logger
	launcher *Launcher
	request  emperor.Request
	process  *namespaces.Process
	cgroup   *namespaces.Cgroup          // nil where there is none
	limits   []namespaces.CgroupLimit    // of the cgroup; after the launch only Adjust changes them
	entry    ledgerEntry                 // with the links that hooks have made into its network
	written  atomic.Pointer[ledgerEntry] // the recorded one; nil: none
}

// ends are the emperor's ends of the channels to a child.
type ends struct {
	pipe       *os.File
	pipeClosed bool // by the child
	orders     *wire.EmperorEnd
	configs    *os.File // of the config socket; nil: none
	notify     *notifySocket
	channels   []*channel
}

// protocol is the way in which a child communicates.
type protocol struct {
	current    atomic.Pointer[emperor.Plan] // the configuration that it is asked to run
	usesOrders atomic.Bool                  // it answers on the order channel, as it has shown
	replaced   atomic.Bool                  // it became a program without our protocol
	probed     atomic.Bool                  // a probe without an answer yet decides when that program is ready
	// stopSignal asks that program to end. Zero: SIGTERM.
	stopSignal atomic.Int32
	// known is closed, once, when it has shown its protocol, and notified when it has sent
	// READY=1.
	known, notified         chan struct{}
	knownOnce, notifiedOnce sync.Once
}

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
	c.part = c.launcher.Poller.pipes.enlarge(write)
	if c.pipe, theirs, err = stream("pipe"); err != nil {
		return ends, err
	}
	ends = append(ends, theirs)
	if c.orders, theirs, err = wire.Pair(); err != nil {
		return ends, err
	}
	ends = append(ends, theirs)
	if c.launcher.Wrappers.None() {
		return ends, nil
	}
	if c.configs, theirs, err = stream("configs"); err != nil {
		return ends, err
	}
	return append(ends, theirs), nil
}

// stdin is the socket of an on-demand vassal, as in uWSGI, or nothing to read.
func (c *child) stdin() (*os.File, error) {
	if c.request.Socket == nil {
		return os.Open(os.DevNull)
	}
	raw, err := c.request.Socket.SyscallConn()
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
func (c *child) PID() int { return c.process.PID }

// Watch implements Process. No goroutine waits for the vassal: that of the Set has
// time for all of them, and the end gets one.
func (c *child) Watch(report func(emperor.Message), over func(emperor.Exit)) {
	c.readOutput()
	c.receive(report)
	c.launcher.Poller.messages.Watch(c.process, func() time.Duration {
		if !c.process.Dead() {
			return pace
		}
		close(c.dead)
		go func() {
			c.receiveRest()
			c.life.over()
			var exit emperor.Exit
			namespaces.Bounded(func() { exit = c.reap() })
			over(exit)
		}()
		return poll.Never
	})
}

// reap ends the rest of a dead vassal's session while its pid still cannot mean
// anybody else, and reaps.
func (c *child) reap() emperor.Exit {
	if !c.tree {
		_ = syscall.Kill(-c.process.PID, syscall.SIGKILL)
	}
	status, err := c.process.Wait()
	x := emperor.Exit{ExitStatus: status, Err: err, OOMKills: c.oomCounter.Load().kills(), Reason: c.reason, Own: c.own}
	if c.replaced.Load() && !c.life.asked.Load() && x.String() == (emperor.Exit{}).String() {
		x.Reason = x.String() + ", or its program went into the background: " + wire.Foreground
	}
	c.life.status = x.Effective()
	return x
}

// KeepSockets implements Process. In a network of its own the sockets are of no use to another
// generation, and neither are they to a program that binds its own.
func (c *child) KeepSockets() {
	if !c.launcher.Clone.Has(namespaces.NewNet) && c.launcher.programFor(c.request.Plan) == nil {
		c.keeping = make(chan struct{})
	}
}

// KeptSockets implements Process.
func (c *child) KeptSockets() namespaces.Sockets { return c.kept }

// Stop implements Process. A program that took the vassal's place and closed the
// pipe is asked by signal.
func (c *child) Stop(graceful bool) {
	c.life.asked.Store(true)
	if c.keeping == nil {
		c.ask(graceful)
		return
	}
	go func() {
		namespaces.Bounded(func() { c.kept = c.process.Listening() })
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

// terminate asks the program that took the vassal's place to end.
func (c *child) terminate() {
	sig := syscall.Signal(c.stopSignal.Load())
	if sig <= 0 || sig > 64 {
		sig = syscall.SIGTERM
	}
	_ = c.process.Terminate(sig)
}

// errReplaced is why a vassal that became another program cannot reload.
var errReplaced = errors.New("the program that took the vassal's place knows no reload")

// Reload implements Process. A vassal that has shown to speak the order channel
// gets the bytes by it. Any other is told to reload as uWSGI is: it asks for the
// bytes by a report. One that has just said that it accepts may have to show yet
// what it speaks.
func (c *child) Reload(p emperor.Plan, serial uint64) error {
	timer := time.NewTimer(protocolWait)
	defer timer.Stop()
	select {
	case <-c.known:
	case <-c.dead:
	case <-timer.C:
	}
	if c.replaced.Load() {
		return errReplaced
	}
	c.current.Store(&p)
	if c.usesOrders.Load() || c.launcher.programFor(p) == nil { // ours speaks it, although it may not have said anything yet
		r := c.request
		r.Plan = p
		o := c.launcher.orderFor(c, r)
		o.Serial = serial
		return c.orders.SendOrder(o)
	}
	return c.send(wire.Reload)
}

// send writes one byte. It fails at once when that would block, or when no process reads.
func (c *child) send(m wire.Command) error { return write(c.pipe, []byte{byte(m)}) }

// write writes to a socket that must not block us.
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
	if c.notify == nil {
		return
	}
	if w := c.notify.watch.Load(); w != nil {
		w.Renew(c.restore)
	}
}

// restore reports whether it had to bind the socket for sd_notify(3) again.
func (c *child) restore() (bound bool) {
	if p := c.written.Load(); p != nil {
		if err := c.launcher.Ledger.restore(c.request.Config.Name, c.request.Generation, *p); err != nil {
			c.log.Warn("a killed emperor would leave something of this vassal behind", "error", err)
		}
	}
	bound, err := c.notify.rebind()
	if err != nil {
		c.log.Warn("its socket for sd_notify was removed, and cannot be made again", "error", err)
	}
	return bound
}

// Kill implements Process.
func (c *child) Kill() {
	c.life.asked.Store(true)
	c.end()
}

// end kills it, asked or not.
func (c *child) end() {
	if c.cgroup != nil {
		_ = c.cgroup.Kill()
	}
	_ = c.process.Signal(syscall.SIGKILL)
}

// Clear implements Process.
func (c *child) Clear(ctx context.Context) error {
	defer namespaces.Bounded(c.close)
	if c.keeping != nil {
		<-c.keeping
	}
	// The kernel would take the links down as well, in its own time, and the next
	// generation would find their names taken.
	err := errors.Join(c.clearCgroup(), c.disconnect(), c.launcher.Sweeper.Delete(c.entry.Links))
	namespaces.Bounded(func() { err = errors.Join(err, removeAll(c.entry.Directories)) })
	if err == nil {
		c.launcher.Ledger.forget(c.request.Config.Name, c.request.Generation)
	}
	c.stdout.end()
	c.life.ended(ctx, c)
	return err
}

// clearCgroup kills the remaining processes of the vassal, and waits until they are gone.
func (c *child) clearCgroup() error {
	if c.cgroup == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), clearTimeout)
	defer cancel()
	var err error
	namespaces.Bounded(func() { err = c.cgroup.Kill() })
	if err == nil {
		err = c.cgroup.Empty(ctx)
	}
	return errors.Join(err, c.cgroup.Remove())
}

// abandon ends a child that never got its order, or got it in vain, and returns
// when nothing is left of it. One that is slow to end is told of.
func (c *child) abandon() {
	slow := time.AfterFunc(namespaces.Unkillable, func() {
		for _, p := range namespaces.Stuck(c.PID()) {
			c.log.Error("a process was killed and does not end", p.Attrs()...)
		}
	})
	defer slow.Stop()
	dead := make(chan emperor.Exit)
	c.Kill()
	c.Watch(func(emperor.Message) {}, func(x emperor.Exit) { dead <- x })
	<-dead
	if err := c.Clear(context.Background()); err != nil {
		c.log.Error("cannot remove all that was left", "error", err)
	}
}

// close closes every descriptor that is open.
func (c *child) close() {
	closeAll([]*os.File{c.pipe, c.configs, c.output})
	c.launcher.Poller.pipes.release(c.part)
	c.part = 0
	if c.orders != nil {
		c.orders.Close()
	}
	if c.notify != nil {
		c.notify.close()
	}
	if c.process != nil {
		c.process.Close()
	}
	c.guest.end()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close() // a second time is an error, and harmless
		}
	}
}
