package namespaces

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// LinkWatch reports changes of the interfaces in the network namespace of this process.
type LinkWatch struct{ socket *nl.NetlinkSocket }

// WatchLinks subscribes to the kernel's events (rtnetlink(7), RTNLGRP_LINK). The caller closes
// the watch.
func WatchLinks() (*LinkWatch, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch links: %w", err)
	}
	return &LinkWatch{socket}, nil
}

// Close ends Next.
func (w *LinkWatch) Close() { w.socket.Close() }

// LinkEvent is the state of an interface after a change.
type LinkEvent struct {
	LinkFacts
	// Gone: the interface has left the namespace.
	Gone bool
}

// ErrEventsLost means that the kernel had no room for more events. The next events are
// complete again; the state in between has to be read.
var ErrEventsLost = errors.New("events were lost")

// Next blocks until there are events. It returns ErrEventsLost, or os.ErrClosed after Close.
func (w *LinkWatch) Next() (events []LinkEvent, err error) {
	messages, from, err := w.socket.Receive()
	switch {
	case errors.Is(err, unix.ENOBUFS):
		return nil, ErrEventsLost
	case errors.Is(err, os.ErrClosed), errors.Is(err, unix.EAGAIN): // the same while it blocks
		return nil, os.ErrClosed
	case err != nil:
		return nil, fmt.Errorf("cannot watch links: %w", err)
	case from.Pid != nl.PidKernel:
		return nil, nil
	}
	for _, m := range messages {
		kind := m.Header.Type
		if (kind == unix.RTM_NEWLINK || kind == unix.RTM_DELLINK) && len(m.Data) >= unix.SizeofIfInfomsg {
			events = append(events, LinkEvent{linkFacts(m.Data), kind == unix.RTM_DELLINK})
		}
	}
	return events, nil
}
