package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Events is a subscription to events of the kernel by netlink(7).
type Events struct{ socket *netlinkSocket }

// Subscribe opens one, of a protocol such as unix.NETLINK_ROUTE, in the network namespace of the thread. The caller
// closes it.
func Subscribe(protocol int, groups ...uint) (*Events, error) {
	socket, err := openNetlinkSocket(protocol, groups...)
	if err != nil {
		return nil, err
	}
	return &Events{socket}, nil
}

// Close ends Next. It is called once.
func (e *Events) Close() { e.socket.close() }

// Next blocks until there are messages of the kernel, and calls each for them. Their data is overwritten afterwards. It
// returns ErrEventsLost, or os.ErrClosed after Close.
func (e *Events) Next(each func(syscall.NetlinkMessage)) error {
	err := e.socket.receive(each)
	switch {
	case errors.Is(err, unix.ENOBUFS):
		return ErrEventsLost
	case err != nil && !errors.Is(err, os.ErrClosed):
		return fmt.Errorf("cannot receive events of netlink: %w", err)
	}
	return err
}

// ErrEventsLost means that the kernel had no room for more events. The next events are
// complete again; the state in between has to be read.
var ErrEventsLost = errors.New("events were lost")

// LinkWatch reports changes of the interfaces in the network namespace of this process.
type LinkWatch struct{ events *Events }

// WatchLinks subscribes to the kernel's events (rtnetlink(7), RTNLGRP_LINK). The caller closes
// the watch.
func WatchLinks() (*LinkWatch, error) {
	events, err := Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch links: %w", err)
	}
	return &LinkWatch{events}, nil
}

// Close ends Next.
func (w *LinkWatch) Close() { w.events.Close() }

// LinkEvent is the state of an interface after a change.
type LinkEvent struct {
	LinkFacts
	// Gone: the interface has left the namespace.
	Gone bool
}

// Next blocks until there are events. It returns ErrEventsLost, or os.ErrClosed after Close.
func (w *LinkWatch) Next() (events []LinkEvent, err error) {
	err = w.events.Next(func(m syscall.NetlinkMessage) {
		kind := m.Header.Type
		if (kind == unix.RTM_NEWLINK || kind == unix.RTM_DELLINK) && len(m.Data) >= unix.SizeofIfInfomsg {
			events = append(events, LinkEvent{linkFacts(m.Data), kind == unix.RTM_DELLINK})
		}
	})
	return events, err
}

// RouteWatch reports changes of the routes in the network namespace of this process, and of the
// rules that choose between them.
type RouteWatch struct{ events *Events }

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
	events, err := Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return nil, fmt.Errorf("cannot watch routes: %w", err)
	}
	return &RouteWatch{events}, nil
}

// Close ends Next.
func (w *RouteWatch) Close() { w.events.Close() }

// Next blocks until there are events. It returns ErrEventsLost, or os.ErrClosed after Close.
func (w *RouteWatch) Next() (events []RouteEvent, err error) {
	err = w.events.Next(func(m syscall.NetlinkMessage) {
		switch kind := m.Header.Type; kind {
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if e, ok := routeEvent(m.Data); ok {
				e.Gone = kind == unix.RTM_DELROUTE
				events = append(events, e)
			}
		case unix.RTM_NEWRULE, unix.RTM_DELRULE:
			events = append(events, RouteEvent{})
		}
	})
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
