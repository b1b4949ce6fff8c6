// Package datagrams answers one question: how does a message get to a program that reads a datagram
// socket, such as the journal or syslogd, and that may be slow, stopped or restarted?
package datagrams

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// Client sends messages, one at a time. Make it with New. It connects when necessary, and again
// when the reader was restarted.
//
// The socket is connected, because the kernel wakes only connected senders when a full queue
// has room again (unix_dgram_poll in net/unix/af_unix.c).
type Client struct {
	// Files passes a message that is larger than a datagram in a sealed file (memfd_create(2)), for
	// readers that accept it. Otherwise such a message is an error.
	Files bool

	network, address string

	turn chan struct{}
	conn net.Conn // nil: not connected. Belongs to the holder of the turn
}

// New returns a client of an address; the network is unixgram or udp.
func New(network, address string) *Client {
	return &Client{network: network, address: address, turn: make(chan struct{}, 1)}
}

// Reachable returns the reason why no message can be sent. It does not block.
func (c *Client) Reachable() error {
	conn, err := net.Dial(c.network, c.address)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// Send sends a message. It blocks while the queue of a unix socket is full, at most until ctx
// ends.
func (c *Client) Send(ctx context.Context, message []byte) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := c.attempt(ctx, message)
	if gone(err) {
		c.disconnect()
		err = c.attempt(ctx, message)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// attempt connects, unless that is done already, and sends the message.
func (c *Client) attempt(ctx context.Context, message []byte) (err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial(c.network, c.address); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err = c.conn.Write(message)
	if c.Files && (errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS)) {
		err = c.pass(message)
	}
	if !stop() {
		c.disconnect() // with its deadline
	}
	return err
}

func (c *Client) disconnect() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// pass sends a message in a memfd.
func (c *Client) pass(message []byte) error {
	u, ok := c.conn.(*net.UnixConn)
	if !ok {
		return unix.EMSGSIZE
	}
	fd, err := memfd.Text("message", message)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	raw, err := u.SyscallConn() // package net sends no rights on connected datagram sockets
	if err != nil {
		return err
	}
	var sending error
	waiting := raw.Write(func(to uintptr) bool {
		sending = unix.Sendmsg(int(to), nil, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
		return !errors.Is(sending, unix.EAGAIN)
	})
	return errors.Join(waiting, os.NewSyscallError("sendmsg", sending))
}

// gone reports whether an error means that the reader has left the socket.
func gone(err error) bool {
	for _, e := range []syscall.Errno{unix.ECONNREFUSED, unix.ECONNRESET, unix.ENOTCONN, unix.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
