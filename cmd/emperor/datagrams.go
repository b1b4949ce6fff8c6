package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/control"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// datagrams is uWSGI's emperor-command-socket: datagrams, each a packet of uWSGI's
// with the keys cmd (spawn, respawn, stop, log), vassal and msg. A socket of a path
// has mode 0600, and the gate of the control socket. There are no answers.
type datagrams struct {
	socket net.PacketConn
	gate   *control.Gate // nil for UDP, where senders cannot be seen
	log    *slog.Logger
}

// listenForCommands binds the address: HOST:PORT for UDP, else a path. Without one
// nobody listens.
func listenForCommands(address string, log *slog.Logger) (*datagrams, error) {
	if address == "" {
		return nil, nil
	}
	network := "unixgram"
	if _, _, err := net.SplitHostPort(address); err == nil && !strings.Contains(address, "/") {
		network = "udp"
		log.Warn("whoever can send to the command socket can stop vassals: a path would ask for rights", "address", address)
	} else if left, err := os.Lstat(address); err == nil && left.Mode().Type() == os.ModeSocket {
		if c, err := net.Dial(network, address); err == nil {
			c.Close()
			return nil, fmt.Errorf("cannot listen for commands: somebody does on %q", address)
		}
		_ = os.Remove(address) // of a process that was killed
	}
	socket, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for commands: %w", err)
	}
	if u, ok := socket.(*net.UnixConn); ok {
		if err := errors.Join(tellSenders(u), os.Chmod(address, 0o600)); err != nil {
			return nil, fmt.Errorf("cannot listen for commands: %w", errors.Join(err, socket.Close()))
		}
	}
	return &datagrams{socket: socket, log: log}, nil
}

// close ends it, and removes its path.
func (c *datagrams) close() {
	if c == nil {
		return
	}
	_ = c.socket.Close()
	if a, ok := c.socket.LocalAddr().(*net.UnixAddr); ok {
		_ = os.Remove(a.Name)
	}
}

// serve carries out what comes from senders that the gate admits, until it is closed. It
// does not block.
func (c *datagrams) serve(ctx context.Context, e *emperor.Emperor, gate *control.Gate) {
	if c == nil {
		return
	}
	if _, ok := c.socket.(*net.UnixConn); ok {
		c.gate = gate
	}
	go c.hear(ctx, e)
}

func (c *datagrams) hear(ctx context.Context, e *emperor.Emperor) {
	buffer, from := make([]byte, 1<<16), make([]byte, namespaces.SenderSpace())
	for {
		n, admitted, err := c.receive(buffer, from)
		if err != nil {
			return
		}
		if !admitted {
			continue
		}
		vars, err := wire.ParseVars(buffer[:n])
		if err == nil {
			err = c.carryOut(ctx, e, vars)
		}
		if err != nil {
			c.log.Warn("a command that cannot be carried out", "error", err)
		}
	}
}

// receive reads a datagram. What is not admitted is logged.
func (c *datagrams) receive(buffer, from []byte) (n int, admitted bool, err error) {
	if c.gate == nil {
		n, _, err = c.socket.ReadFrom(buffer)
		return n, true, err
	}
	n, used, flags, _, err := c.socket.(*net.UnixConn).ReadMsgUnix(buffer, from)
	if err != nil {
		return n, false, err
	}
	return n, c.gate.Admit(namespaces.SenderOf(from[:used], flags)) == nil, nil
}

// tellSenders makes the kernel tell who sends.
func tellSenders(socket *net.UnixConn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) { err = namespaces.TellSenders(int(fd)) })
	return errors.Join(control, err)
}

func (c *datagrams) carryOut(ctx context.Context, e *emperor.Emperor, vars map[string]string) error {
	verbs := map[string]emperor.Verb{"spawn": emperor.Start, "respawn": emperor.Restart, "stop": emperor.StopIt}
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
