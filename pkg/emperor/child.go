package emperor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Descriptors of a vassal, beside stdio.
const (
	pipeFD  = 3
	orderFD = 4
)

const (
	// deathSignal is what vassals get when the emperor dies without saying so.
	deathSignal = syscall.SIGKILL
	// lastWords is how long the output of a dead vassal is read for while
	// somebody still holds it open.
	lastWords = time.Second
	// clearTimeout bounds how long the end of everything that a vassal started is
	// waited for after it was killed.
	clearTimeout = 10 * time.Second
)

// child is one generation of a vassal as a process. It implements Process.
type child struct {
	log     *slog.Logger
	process *namespaces.Process
	cgroup  *namespaces.Cgroup // nil where there is none
	tree    bool               // a pid namespace: the process takes its whole tree with it
	links   []namespaces.Peer  // that hooks made, with one end in the vassal's network

	pipe   *os.File // our end; never blocks
	orders *wire.Channel
	output *os.File // read end of its stdout and stderr
	silent chan struct{}
	life   life
}

// connect makes the channels and returns the child's ends, by descriptor number.
func (c *child) connect() (ends []*os.File, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	ends = append(ends, null)
	var write *os.File
	if c.output, write, err = os.Pipe(); err != nil {
		return ends, err
	}
	ends = append(ends, write, write)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends, os.NewSyscallError("socketpair", err)
	}
	_ = unix.SetNonblock(pair[0], true) // before NewFile: puts it into the poller
	c.pipe = os.NewFile(uintptr(pair[0]), "pipe")
	ends = append(ends, os.NewFile(uintptr(pair[1]), "pipe of the vassal"))
	var theirs *os.File
	if c.orders, theirs, err = wire.Pair(); err != nil {
		return ends, err
	}
	return append(ends, theirs), nil
}

// order sends the order and lets the child go.
func (c *child) order(o wire.Order) error { return c.orders.SendOrder(o) }

// PID implements Process.
func (c *child) PID() int { return c.process.PID }

// Wait implements Process.
func (c *child) Wait(report func(wire.Report)) Exit {
	c.silent = make(chan struct{})
	go func() {
		defer close(c.silent)
		termlog.Lines(c.output, 0, func(line string) { c.log.Info(line) })
	}()
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		c.listen(func(r wire.Report) {
			c.life.hears(c, r)
			report(r)
		})
	}()
	c.process.WaitDead()
	_ = c.pipe.SetReadDeadline(time.Now()) // what it said before it died is read already
	<-listening
	c.life.over()
	return Exit(c.reap())
}

// reap ends the rest of a dead vassal's session while its pid still cannot mean
// anybody else, and reaps.
func (c *child) reap() string {
	if !c.tree {
		_ = syscall.Kill(-c.process.PID, syscall.SIGKILL)
	}
	status, err := c.process.Wait()
	if err != nil {
		return err.Error()
	}
	c.life.status = status
	return status.String()
}

// listen hands on each kind of report once a generation: what a vassal repeats
// is of no news, and must not keep the loop busy.
func (c *child) listen(report func(wire.Report)) {
	var seen [256]bool
	buffer := make([]byte, 64)
	for {
		n, err := c.pipe.Read(buffer)
		for _, b := range buffer[:n] {
			if !seen[b] {
				seen[b] = true
				report(wire.Report(b))
			}
		}
		if err != nil {
			return
		}
	}
}

// Stop implements Process. A program that took the vassal's place and closed the
// pipe is asked by signal.
func (c *child) Stop() {
	c.life.asked.Store(true)
	if c.send(wire.Stop) != nil {
		_ = c.process.Terminate()
	}
}

// send writes one byte, or fails at once when that would block or nobody reads.
func (c *child) send(m wire.Command) error {
	raw, err := c.pipe.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		_, sent = unix.Write(int(fd), []byte{byte(m)})
		return true
	})
	return errors.Join(err, sent)
}

// Kill implements Process.
func (c *child) Kill() {
	c.life.asked.Store(true)
	if c.cgroup != nil {
		_ = c.cgroup.Kill()
	}
	_ = c.process.Signal(syscall.SIGKILL)
}

// Clear implements Process.
func (c *child) Clear() error {
	defer c.close()
	// The kernel would take the links down as well, in its own time, and the next
	// generation would find their names taken.
	err := errors.Join(c.clearCgroup(), namespaces.DeletePeers(c.links))
	if c.silent != nil {
		_ = c.output.SetReadDeadline(time.Now().Add(lastWords))
		<-c.silent
	}
	c.life.ended(c)
	return err
}

// noteLinks remembers the links that lead into the vassal's network, for their end.
func (c *child) noteLinks() {
	netns, err := c.process.OpenNamespace(namespaces.NewNet)
	if err != nil {
		return // it is dead, and they are going
	}
	defer netns.Close()
	if c.links, err = namespaces.PeersOf(netns); err != nil {
		c.log.Warn("links of this vassal may outlive it for a moment", "error", err)
	}
}

// clearCgroup ends what the vassal left running, and waits until it is gone.
func (c *child) clearCgroup() error {
	if c.cgroup == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), clearTimeout)
	defer cancel()
	err := c.cgroup.Kill()
	if err == nil {
		err = c.cgroup.Empty(ctx)
	}
	return errors.Join(err, c.cgroup.Remove())
}

// abandon ends a child that never got its order, or got it in vain, and returns
// when nothing is left of it.
func (c *child) abandon() {
	c.Kill()
	_ = c.Wait(func(wire.Report) {})
	if err := c.Clear(); err != nil {
		c.log.Error("cannot remove all that was left", "error", err)
	}
}

// close closes every descriptor that is open.
func (c *child) close() {
	closeAll([]*os.File{c.pipe, c.output})
	if c.orders != nil {
		c.orders.Close()
	}
	if c.process != nil {
		c.process.Close()
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close() // a second time is an error, and harmless
		}
	}
}
