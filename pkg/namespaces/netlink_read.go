package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// LinkFacts are the properties of an interface that Netlink.Link returns.
type LinkFacts struct {
	Index  Index
	Name   string
	Group  uint32
	Master Index
	// State is its operational state (RFC 2863); IfOperUp means that packets pass.
	State uint8
	// Up is its administrative state.
	Up  bool
	MAC net.HardwareAddr
	MTU int
}

// IfOperUp is the state of an interface that passes packets (linux/if.h).
const IfOperUp = 6

// Link reads one interface by its index. A missing one is ENODEV.
func (n *Netlink) Link(l Index) (LinkFacts, error) {
	return n.link(aboutLink(unix.RTM_GETLINK, int(l)))
}

// LinkNamed reads one interface by its name. A missing one is ENODEV.
func (n *Netlink) LinkNamed(name string) (LinkFacts, error) {
	request := aboutLink(unix.RTM_GETLINK, 0)
	request.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	return n.link(request)
}

func (n *Netlink) link(request *nl.NetlinkRequest) (l LinkFacts, err error) {
	answers := make([]error, 1)
	err = n.rtnl.batchEach([]*nl.NetlinkRequest{request}, answers, func(m syscall.NetlinkMessage) {
		if m.Header.Type == unix.RTM_NEWLINK && len(m.Data) >= unix.SizeofIfInfomsg {
			l = linkFacts(m.Data)
		}
	})
	if err == nil {
		err = answers[0]
	}
	if err != nil {
		return LinkFacts{}, fmt.Errorf("cannot read a link: %w", err)
	}
	return l, nil
}

// linkFacts parses struct ifinfomsg and its attributes.
func linkFacts(b []byte) LinkFacts {
	l := LinkFacts{
		Index: Index(int32(binary.NativeEndian.Uint32(b[4:]))),
		Up:    binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0,
	}
	for _, a := range attributesOf(b[unix.SizeofIfInfomsg:]) {
		number := func() uint32 {
			if len(a.value) < 4 {
				return 0
			}
			return binary.NativeEndian.Uint32(a.value)
		}
		switch a.kind {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(a.value)
		case unix.IFLA_GROUP:
			l.Group = number()
		case unix.IFLA_MASTER:
			l.Master = Index(number())
		case unix.IFLA_MTU:
			l.MTU = int(number())
		case unix.IFLA_ADDRESS:
			l.MAC = slices.Clone(a.value) // of a buffer that is used again
		case unix.IFLA_OPERSTATE:
			if len(a.value) > 0 {
				l.State = a.value[0]
			}
		}
	}
	return l
}

// RouteTo returns the index of the interface through which packets to an address leave.
func (n *Netlink) RouteTo(a netip.Addr) (l Index, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	request.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family(a)), Dst_len: uint8(a.BitLen())}})
	request.AddData(nl.NewRtAttr(unix.RTA_DST, a.AsSlice()))
	answers := make([]error, 1)
	err = n.rtnl.batchEach([]*nl.NetlinkRequest{request}, answers, func(m syscall.NetlinkMessage) {
		if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
			return
		}
		for _, attribute := range attributesOf(m.Data[unix.SizeofRtMsg:]) {
			if attribute.kind == unix.RTA_OIF && len(attribute.value) >= 4 {
				l = Index(binary.NativeEndian.Uint32(attribute.value))
			}
		}
	})
	if err == nil {
		err = answers[0]
	}
	if err != nil {
		return 0, fmt.Errorf("cannot look up the route to %s: %w", a, err)
	}
	return l, nil
}

// PermanentNeighbour returns the hardware address that an IP address behind an interface has for good. Nil: there is
// none. A kernel before 5.0 returns EOPNOTSUPP.
func (n *Netlink) PermanentNeighbour(l Index, ip netip.Addr) (mac net.HardwareAddr, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, 0)
	request.AddData(ndMsg{unix.NdMsg{Family: uint8(family(ip)), Ifindex: int32(l)}})
	request.AddData(nl.NewRtAttr(unix.NDA_DST, ip.AsSlice()))
	answers := make([]error, 1)
	err = n.rtnl.batchEach([]*nl.NetlinkRequest{request}, answers, func(m syscall.NetlinkMessage) {
		if m.Header.Type != unix.RTM_NEWNEIGH || len(m.Data) < unix.SizeofNdMsg || binary.NativeEndian.Uint16(m.Data[8:])&unix.NUD_PERMANENT == 0 {
			return
		}
		for _, a := range attributesOf(m.Data[unix.SizeofNdMsg:]) {
			if a.kind == unix.NDA_LLADDR {
				mac = slices.Clone(a.value) // of a buffer that is used again
			}
		}
	})
	if err == nil {
		err = answers[0]
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the neighbour %s: %w", ip, err)
	}
	return mac, nil
}

// WatchRoutes lets RoutesChanged report changes of the routes of IPv6 from now on.
func (n *Netlink) WatchRoutes() error {
	if err := n.rtnl.watch(unix.RTNLGRP_IPV6_ROUTE); err != nil {
		return fmt.Errorf("cannot watch routes: %w", err)
	}
	return nil
}

// RoutesChanged blocks until a route may have changed since its last call. A Close by another goroutine ends
// it with an error.
func (n *Netlink) RoutesChanged() error {
	if err := n.rtnl.changed(); err != nil {
		return fmt.Errorf("cannot wait for routes: %w", err)
	}
	return nil
}
