// Package journal answers one question: how does an entry get into the journal of systemd? It
// speaks the native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): a datagram is an
// entry, and no value can become a second field.
package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// socketPath is the journal's socket (systemd-journald.service(8)).
const socketPath = "/run/systemd/journal/socket"

// Field is one field of an entry. The name has upper case letters, digits and underscores, the
// value any bytes.
type Field struct{ Name, Value string }

// Client sends entries, one at a time. Make it with New. It connects when necessary, and again
// when the journal was restarted.
//
// The socket is connected, because the kernel wakes only connected senders when a full queue
// has room again (unix_dgram_poll in net/unix/af_unix.c).
type Client struct {
	path string
	turn chan struct{}
	conn *net.UnixConn // nil: not connected. Belongs to the holder of the turn
}

// New returns a client of the system's journal.
func New() *Client { return newClient(socketPath) }

func newClient(path string) *Client { return &Client{path: path, turn: make(chan struct{}, 1)} }

// Reachable returns the reason why no entry can get into the journal. It does not block.
func (c *Client) Reachable() error {
	conn, err := c.connect()
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// Send sends an entry. It blocks while the journal's queue is full, at most until ctx ends.
func (c *Client) Send(ctx context.Context, fields ...Field) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer func() { <-c.turn }()
	entry := encode(fields)
	err := c.dial()
	if err == nil {
		err = c.send(ctx, entry)
	}
	if gone(err) {
		c.disconnect()
		if err = c.dial(); err == nil {
			err = c.send(ctx, entry)
		}
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *Client) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// dial connects, unless that is done already.
func (c *Client) dial() (err error) {
	if c.conn == nil {
		c.conn, err = c.connect()
	}
	return err
}

func (c *Client) connect() (*net.UnixConn, error) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: c.path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot reach the journal: %w", err)
	}
	return conn, nil
}

func (c *Client) disconnect() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// send sends an encoded entry: as a datagram, or as a sealed file where a datagram is too small.
func (c *Client) send(ctx context.Context, entry []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := c.conn.Write(entry)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = c.pass(entry)
	}
	if !stop() {
		c.disconnect() // with its deadline
	}
	return err
}

// pass sends an entry in a memfd.
func (c *Client) pass(entry []byte) error {
	fd, err := memfd.Text("journal-entry", entry)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	raw, err := c.conn.SyscallConn() // package net sends no rights on connected datagram sockets
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

// gone reports whether an error means that the journal has left the socket.
func gone(err error) bool {
	for _, e := range []syscall.Errno{unix.ECONNREFUSED, unix.ECONNRESET, unix.ENOTCONN, unix.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// encode writes fields in the form of the protocol. A value with a line break gets its length
// before it.
func encode(fields []Field) (entry []byte) {
	for _, f := range fields {
		entry = append(entry, f.Name...)
		if strings.Contains(f.Value, "\n") {
			entry = append(entry, '\n')
			entry = binary.LittleEndian.AppendUint64(entry, uint64(len(f.Value)))
		} else {
			entry = append(entry, '=')
		}
		entry = append(entry, f.Value...)
		entry = append(entry, '\n')
	}
	return entry
}

// IsStderr reports whether the standard error of this process leads to the journal: it is the
// stream of JOURNAL_STREAM (systemd.exec(5)).
func IsStderr() bool {
	var s unix.Stat_t
	return unix.Fstat(unix.Stderr, &s) == nil && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}
