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

// RouteWatch reports changes of the default routes in the network namespace of this process.
type RouteWatch struct{ socket *nl.NetlinkSocket }

// WatchDefaultRoutes subscribes to the kernel's events (rtnetlink(7), RTNLGRP_IPV4_ROUTE). The
// caller closes the watch.
func WatchDefaultRoutes() (*RouteWatch, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot watch routes: %w", err)
	}
	return &RouteWatch{socket}, nil
}

// Close ends Next.
func (w *RouteWatch) Close() { w.socket.Close() }

// Next blocks until a default route has come or gone, or may have done so. It returns os.ErrClosed
// after Close.
func (w *RouteWatch) Next() error {
	for {
		messages, from, err := w.socket.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil
		case errors.Is(err, os.ErrClosed), errors.Is(err, unix.EAGAIN): // the same while it blocks
			return os.ErrClosed
		case err != nil:
			return fmt.Errorf("cannot watch routes: %w", err)
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range messages {
			const length = 1 // offset of rtm_dst_len in struct rtmsg
			if kind := m.Header.Type; (kind == unix.RTM_NEWROUTE || kind == unix.RTM_DELROUTE) && len(m.Data) > length && m.Data[length] == 0 {
				return nil
			}
		}
	}
}
