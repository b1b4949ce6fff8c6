package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

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
	messages, err := receive(w.socket)
	for _, m := range messages {
		kind := m.Header.Type
		if (kind == unix.RTM_NEWLINK || kind == unix.RTM_DELLINK) && len(m.Data) >= unix.SizeofIfInfomsg {
			events = append(events, LinkEvent{linkFacts(m.Data), kind == unix.RTM_DELLINK})
		}
	}
	return events, err
}

// RouteWatch reports changes of the routes in the network namespace of this process, and of the
// rules that choose between them.
type RouteWatch struct{ socket *nl.NetlinkSocket }

// RouteEvent is one change: a hint to look the routes up.
type RouteEvent struct {
	// To is the destination. Invalid: the change may be about any destination.
	To netip.Prefix
	// Protocol is the mark of its owner (rtnetlink(7), rtm_protocol).
	Protocol uint8
	// Gone: it was deleted.
	Gone bool
}

// WatchRoutes subscribes to the kernel's events (rtnetlink(7), RTNLGRP_IPV4_ROUTE and
// RTNLGRP_IPV4_RULE). The caller closes the watch.
func WatchRoutes() (*RouteWatch, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return nil, fmt.Errorf("cannot watch routes: %w", err)
	}
	return &RouteWatch{socket}, nil
}

// Close ends Next.
func (w *RouteWatch) Close() { w.socket.Close() }

// Next blocks until there are events. It returns ErrEventsLost, or os.ErrClosed after Close.
func (w *RouteWatch) Next() (events []RouteEvent, err error) {
	messages, err := receive(w.socket)
	for _, m := range messages {
		switch kind := m.Header.Type; kind {
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if e, ok := routeEvent(m.Data); ok {
				e.Gone = kind == unix.RTM_DELROUTE
				events = append(events, e)
			}
		case unix.RTM_NEWRULE, unix.RTM_DELRULE:
			events = append(events, RouteEvent{})
		}
	}
	return events, err
}

// routeEvent parses struct rtmsg and the destination. ok is false for a clone in a cache.
func routeEvent(b []byte) (e RouteEvent, ok bool) {
	if len(b) < unix.SizeofRtMsg || binary.NativeEndian.Uint32(b[8:])&unix.RTM_F_CLONED != 0 {
		return e, false
	}
	to, bits := netip.IPv4Unspecified(), int(b[1])
	if b[0] == unix.AF_INET6 {
		to = netip.IPv6Unspecified()
	}
	for _, a := range attributesOf(b[unix.SizeofRtMsg:]) {
		if a.kind == unix.RTA_DST {
			to, _ = netip.AddrFromSlice(a.value)
		}
	}
	e.To, e.Protocol = netip.PrefixFrom(to, bits), b[5]
	return e, e.To.IsValid()
}

// receive returns the kernel's next messages. None: the message was not the kernel's.
func receive(socket *nl.NetlinkSocket) ([]syscall.NetlinkMessage, error) {
	messages, from, err := socket.Receive()
	switch {
	case errors.Is(err, unix.ENOBUFS):
		return nil, ErrEventsLost
	case errors.Is(err, os.ErrClosed), errors.Is(err, unix.EAGAIN): // the same while it blocks
		return nil, os.ErrClosed
	case err != nil:
		return nil, fmt.Errorf("cannot receive events of rtnetlink: %w", err)
	case from.Pid != nl.PidKernel:
		return nil, nil
	}
	return messages, nil
}
