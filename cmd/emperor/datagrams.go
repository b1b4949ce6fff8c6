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
	"github.com/emperor-go/emperor/pkg/wire"
)

// datagrams is uWSGI's emperor-command-socket: datagrams, each a packet of uWSGI's
// with the keys cmd (spawn, respawn, stop, log), vassal and msg. A socket of a path
// has mode 0600. Nobody answers.
type datagrams struct {
	socket net.PacketConn
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
	if network == "unixgram" {
		if err := os.Chmod(address, 0o600); err != nil {
			return nil, fmt.Errorf("cannot listen for commands: %w", errors.Join(err, socket.Close()))
		}
	}
	return &datagrams{socket, log}, nil
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

// serve carries out what comes until it is closed. It does not block.
func (c *datagrams) serve(ctx context.Context, e *emperor.Emperor) {
	if c != nil {
		go c.hear(ctx, e)
	}
}

func (c *datagrams) hear(ctx context.Context, e *emperor.Emperor) {
	buffer := make([]byte, 1<<16)
	for {
		n, _, err := c.socket.ReadFrom(buffer)
		if err != nil {
			return
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
