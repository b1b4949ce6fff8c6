package emperord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/endpoint"
	"github.com/emperor-go/emperor/internal/uwsgiproto"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// datagrams is uWSGI's emperor-command-socket: datagrams, each a packet of uWSGI's with the
// keys cmd (spawn, respawn, stop, log), vassal and msg. A socket with a path has mode 0600,
// and the gate of the control socket. There are no answers.
type datagrams struct {
	address string
	log     *slog.Logger

	mu     sync.Mutex // protects the following fields
	socket net.PacketConn
	made   control.Identity // of its path
	closed bool
}

// listenForCommands binds the address: HOST:PORT for UDP, or a path. A UDP address must be a
// loopback address unless remote is true. Without an address it returns nil. It uses the socket
// inherited, which an earlier emperor has bound to that address; nil: it binds one.
func listenForCommands(text string, remote bool, inherited *os.File, log *slog.Logger) (*datagrams, error) {
	if text == "" {
		return nil, nil
	}
	here, err := os.Getwd()
	if err != nil {
		here = "/"
	}
	c := &datagrams{address: address.In(here, text), log: log}
	if c.network() == "udp" {
		if err := local(c.address); err != nil && !remote {
			return nil, fmt.Errorf("cannot listen for commands: emperor-command-socket: %w", err)
		}
		log.Warn("the senders of commands cannot be verified: every process that reaches this UDP address can stop vassals (use a unix socket path)", "address", text)
	}
	if inherited != nil {
		err = c.inherit(inherited)
	} else {
		err = c.bind()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen for commands: %w", err)
	}
	return c, nil
}

// inherit uses the socket of an earlier emperor, with the datagrams that wait in it.
func (c *datagrams) inherit(f *os.File) error {
	defer f.Close()
	socket, err := net.FilePacketConn(f) // of a duplicate
	if err != nil {
		return fmt.Errorf("cannot inherit a socket: %w", err)
	}
	c.use(socket)
	return nil
}

// use makes a socket the current one. The caller holds the lock, or is the only user.
func (c *datagrams) use(socket net.PacketConn) {
	path := ""
	if c.network() == "unixgram" {
		path = c.address
	}
	c.socket, c.made = socket, control.IdentityOf(path)
}

// handOver closes it and leaves its path: it returns the socket, in which datagrams continue to wait.
// The caller closes it.
func (c *datagrams) handOver() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	f, err := control.HandOver(c.socket)
	c.closed = err == nil
	return f, err
}

// local checks that only this machine reaches a UDP address.
func local(text string) error {
	to, err := net.ResolveUDPAddr("udp", text)
	if err != nil {
		return err
	}
	if !to.IP.IsLoopback() {
		return fmt.Errorf("%q is no loopback address, and senders cannot be verified (a path, 127.0.0.1:PORT, or emperor-command-socket-remote = true)", text)
	}
	return nil
}

func (c *datagrams) network() string {
	if address.IsUnix(c.address) {
		return "unixgram"
	}
	return "udp"
}

// bind makes the socket, and closes the previous one.
func (c *datagrams) bind() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	socket, err := endpoint.ListenPacket(c.address)
	if errors.Is(err, address.ErrBusy) {
		err = fmt.Errorf("%w: %q", err, c.address)
	}
	if err != nil {
		return err
	}
	if u, ok := socket.(*net.UnixConn); ok {
		if err := errors.Join(tellSenders(u), os.Chmod(c.address, 0o600)); err != nil {
			return errors.Join(err, socket.Close())
		}
	}
	if c.socket != nil {
		_ = c.socket.Close()
	}
	c.use(socket)
	return nil
}

// whole reports whether clients find the socket.
func (c *datagrams) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.network() == "udp" || c.made.At(c.address)
}

func (c *datagrams) current() net.PacketConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket
}

// close closes it, and removes its path.
func (c *datagrams) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	_ = c.socket.Close()
	if c.network() == "unixgram" && c.made.At(c.address) {
		_ = os.Remove(c.address)
	}
}

// keep binds the socket again when another process removes its path, until ctx ends. quiet as
// in control.Kept.
func (c *datagrams) keep(ctx context.Context, quiet string) {
	if c != nil {
		control.Kept{What: "the command socket", Path: c.address, Quiet: quiet, Whole: c.whole, Restore: c.bind, Log: c.log}.Keep(ctx)
	}
}

// receiveAll carries out commands until ctx ends, and closes the socket. The gate admits senders,
// except to UDP, whose senders cannot be identified.
func (c *datagrams) receiveAll(ctx context.Context, e *emperor.Emperor, gate *control.Gate) {
	if c == nil {
		return
	}
	defer context.AfterFunc(ctx, c.close)()
	buffer, from := make([]byte, 1<<16), make([]byte, namespaces.SenderSpace())
	for {
		socket := c.current()
		n, admitted, err := c.receive(socket, gate, buffer, from)
		switch {
		case err == nil:
		case c.current() != socket:
			continue // it was bound again
		default:
			return
		}
		if !admitted {
			continue
		}
		if err := c.command(ctx, e, buffer[:n]); err != nil {
			c.log.Warn("cannot carry out a command", "error", err)
		}
	}
}

// command carries out the command of one datagram.
func (c *datagrams) command(ctx context.Context, e *emperor.Emperor, packet []byte) error {
	body, err := uwsgiproto.Body(packet)
	if err != nil {
		return err
	}
	vars, err := uwsgiproto.Vars(body)
	if err != nil {
		return err
	}
	return c.carryOut(ctx, e, vars)
}

// receive reads a datagram. It logs senders that are not admitted.
func (c *datagrams) receive(socket net.PacketConn, gate *control.Gate, buffer, from []byte) (n int, admitted bool, err error) {
	u, ok := socket.(*net.UnixConn)
	if !ok {
		n, _, err = socket.ReadFrom(buffer)
		return n, true, err
	}
	n, used, flags, _, err := u.ReadMsgUnix(buffer, from)
	if err != nil {
		return n, false, err
	}
	return n, gate.Admit(namespaces.SenderOf(from[:used], flags)) == nil, nil
}

// tellSenders makes the kernel report the sender.
func tellSenders(socket *net.UnixConn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) { err = namespaces.TellSenders(int(fd)) })
	return errors.Join(control, err)
}

func (c *datagrams) carryOut(ctx context.Context, e *emperor.Emperor, vars map[string]string) error {
	verbs := map[string]emperor.Verb{"spawn": emperor.Start, "respawn": emperor.Restart, "stop": emperor.Stop}
	name, verb := vars["vassal"], verbs[vars["cmd"]]
	switch {
	case vars["cmd"] == "log":
		c.log.Info(vars["msg"], "vassal", name)
		return nil
	case verb == "":
		return fmt.Errorf("unknown command %q (spawn, respawn, stop or log)", vars["cmd"])
	}
	_, err := e.Do(ctx, name, verb)
	return err
}
