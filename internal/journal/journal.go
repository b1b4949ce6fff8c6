// Package journal answers one question: how does an entry get into the journal of systemd? It
// speaks the native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): a datagram is an
// entry, and no value can become a second field.
package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/datagrams"
)

// socketPath is the journal's socket (systemd-journald.service(8)).
const socketPath = "/run/systemd/journal/socket"

// Field is one field of an entry. The name has upper case letters, digits and underscores, the
// value any bytes.
type Field struct{ Name, Value string }

// Client sends entries, one at a time. Make it with New.
type Client struct{ to *datagrams.Client }

// New returns a client of the system's journal.
func New() *Client { return newClient(socketPath) }

func newClient(path string) *Client {
	c := &Client{datagrams.New("unixgram", path)}
	c.to.Files = true
	return c
}

// Reachable returns the reason why no entry can get into the journal. It does not block.
func (c *Client) Reachable() error { return unreachable(c.to.Reachable()) }

// Send sends an entry. It blocks while the journal's queue is full, at most until ctx ends.
func (c *Client) Send(ctx context.Context, fields ...Field) error {
	return unreachable(c.to.Send(ctx, encode(fields)))
}

func unreachable(err error) error {
	if err != nil {
		return fmt.Errorf("cannot reach the journal: %w", err)
	}
	return nil
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
