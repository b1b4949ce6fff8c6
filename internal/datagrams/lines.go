package datagrams

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/logger"
)

// Lines sends lines to the socket of a logger. Make it with NewLines.
type Lines struct {
	logger logger.Logger
	head   string // after the time
	to     *Client
}

// NewLines returns a sender of lines. name stands in messages of syslog if the logger has no name.
func NewLines(l logger.Logger, name string) *Lines {
	s := &Lines{logger: l, to: New(l.Network, l.Address)}
	plain := func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(":[]", r) {
			return '_'
		}
		return r
	}
	s.head = " " + strings.Map(plain, cmp.Or(l.Ident, name)) + ": "
	if l.Network == "udp" { // a message from another host has its name (RFC 3164)
		if host, err := os.Hostname(); err == nil {
			s.head = " " + strings.Map(plain, host) + s.head
		}
	}
	return s
}

// Reachable returns the reason why no line can be sent. It does not block.
func (s *Lines) Reachable() error { return s.wrap(s.to.Reachable()) }

// Send sends a line without its end; priority is a level of syslog(3). It blocks while the
// reader of a unix socket is behind, at most until ctx ends.
func (s *Lines) Send(ctx context.Context, priority int, line string, at time.Time) error {
	message := []byte(line)
	if s.logger.Syslog {
		message = fmt.Appendf(nil, "<%d>%s%s%s", s.logger.Facility<<3|priority, at.Format(time.Stamp), s.head, line)
	}
	return s.wrap(s.to.Send(ctx, message))
}

func (s *Lines) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("cannot send lines to %s: %w", s.logger.Address, err)
	}
	return nil
}
