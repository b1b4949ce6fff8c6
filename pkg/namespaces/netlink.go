package namespaces

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Netlink changes and reads one network namespace by rtnetlink(7). It sends many changes in
// one message, which costs one system call and lets the kernel handle them in order. It is
// used by one goroutine at a time.
type Netlink struct{ rtnl *rtnl }

// OpenNetlink opens a socket in the network namespace of the process. The caller closes it.
// NetnsOpener opens one in another namespace.
func OpenNetlink() (*Netlink, error) {
	r, err := openRtnl()
	if err != nil {
		return nil, err
	}
	return &Netlink{r}, nil
}

// Close closes the socket.
func (n *Netlink) Close() { n.rtnl.close() }

// DeleteGroup deletes all interfaces of a group (ip-link(8), group) in one sweep. An empty group
// is no error.
func (n *Netlink) DeleteGroup(group uint32) error {
	answers, err := n.rtnl.do([]*nl.NetlinkRequest{deleteGroup(group)})
	if err == nil {
		err = answers[0]
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cannot delete the links of group %#x: %w", group, err)
	}
	return nil
}

// Change is one change of a network namespace. The functions below make changes.
type Change struct {
	// About names the change in errors, such as "address 10.1.2.3/32".
	About string
	// Optional: a failure of the change is not a failure of the whole.
	Optional bool

	request *nl.NetlinkRequest
}

// Apply sends changes to the kernel, in order. It returns the first failure of a change that
// is not optional, with the kernel's explanation. The kernel continues after a failure, so the
// caller undoes unwanted changes.
func (n *Netlink) Apply(changes ...Change) error {
	requests := make([]*nl.NetlinkRequest, len(changes))
	for i, c := range changes {
		requests[i] = c.request
	}
	answers, err := n.rtnl.do(requests)
	if err != nil {
		return err
	}
	for i, answer := range answers {
		if answer != nil && !changes[i].Optional {
			return fmt.Errorf("cannot set %s: %w", changes[i].About, answer)
		}
	}
	return nil
}

// VethPair describes a pair of connected interfaces, one end here and the other in Netns.
type VethPair struct {
	// Host is the name of the end here, and Peer the name of the other end. Required.
	Host, Peer string
	// HostMAC and PeerMAC are their hardware addresses. Required.
	HostMAC, PeerMAC net.HardwareAddr
	// Netns is the network namespace of the peer; it stays the caller's. Required.
	Netns netns.NsHandle
	// Group is the group of the end here (ip-link(8), group).
	Group uint32
	// MTU of both ends, in bytes. Zero: the kernel's.
	MTU int
	// Master is the index of the bridge that the end here joins. Zero: none.
	Master Index
}

// AddVeth makes a pair and returns the index of the end here. Both ends are down: the kernel tells all parts of the
// network about each change of an interface that is up. The pair appears with all its attributes in one message: a
// process that is killed after it leaves nothing without its group. An existing name is EEXIST.
func (n *Netlink) AddVeth(v VethPair) (Index, error) {
	peer := nl.NewIfInfomsg(unix.AF_UNSPEC)
	info := nl.NewRtAttr(nl.VETH_INFO_PEER, peer.Serialize())
	v.describe(info, v.Peer, v.PeerMAC)
	info.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(v.Netns)))

	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ECHO)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	here := nl.NewRtAttr(0, nil)
	v.describe(here, v.Host, v.HostMAC)
	here.AddRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(v.Group))
	if v.Master != 0 {
		here.AddRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(v.Master)))
	}
	kind := here.AddRtAttr(unix.IFLA_LINKINFO, nil)
	kind.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	kind.AddRtAttr(unix.IFLA_INFO_DATA, nil).AddChild(info)
	request.AddRawData(here.Serialize()[unix.SizeofRtAttr:])

	index, err := n.create(request, v.Host, v.HostMAC)
	if err != nil {
		return 0, fmt.Errorf("cannot make veth %q with peer %q: %w", v.Host, v.Peer, err)
	}
	return index, nil
}

// describe adds the attributes of one end. One queue is enough, and costs less memory than one
// for each processor.
func (v VethPair) describe(to *nl.RtAttr, name string, mac net.HardwareAddr) {
	to.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))
	to.AddRtAttr(unix.IFLA_ADDRESS, mac)
	to.AddRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1))
	to.AddRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1))
	if v.MTU > 0 {
		to.AddRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(v.MTU)))
	}
}

// create sends one request that makes an interface, and returns its index: of the kernel's echo, or, before Linux 6.2
// (rtnl_newlink has no echo there), of the interface that has the name and the hardware address then.
func (n *Netlink) create(request *nl.NetlinkRequest, name string, mac net.HardwareAddr) (Index, error) {
	answers, index := make([]error, 1), Index(0)
	err := n.rtnl.batchEach([]*nl.NetlinkRequest{request}, answers, func(m syscall.NetlinkMessage) {
		if m.Header.Type == unix.RTM_NEWLINK && len(m.Data) >= unix.SizeofIfInfomsg {
			index = Index(int32(binary.NativeEndian.Uint32(m.Data[4:])))
		}
	})
	if err == nil {
		err = answers[0]
	}
	if err != nil || index != 0 {
		return index, err
	}
	l, err := n.LinkNamed(name)
	if err == nil && !bytes.Equal(l.MAC, mac) {
		err = fmt.Errorf("another interface has the name %q", name)
	}
	return l.Index, err
}

// Index is the number of an interface. Its methods make changes of it.
type Index int

// Up sets the interface up.
func (l Index) Up() Change {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, 0)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index, about.Flags, about.Change = int32(l), unix.IFF_UP, unix.IFF_UP
	request.AddData(about)
	return Change{About: fmt.Sprintf("link %d up", l), request: request}
}

// Alias sets the alias of the interface, a note of at most 255 bytes.
func (l Index) Alias(alias string) Change {
	request := aboutLink(unix.RTM_NEWLINK, int(l))
	request.AddData(nl.NewRtAttr(unix.IFLA_IFALIAS, nl.NonZeroTerminated(alias)))
	return Change{About: "alias of the link", request: request}
}

// HardwareAddress sets the hardware address of the interface.
func (l Index) HardwareAddress(mac net.HardwareAddr) Change {
	request := aboutLink(unix.RTM_SETLINK, int(l))
	request.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, mac))
	return Change{About: "hardware address of the link", request: request}
}

// NoLinkLocal keeps the kernel from giving the interface an address of IPv6 when it is set up (ip-link(8),
// addrgenmode). An interface without IPv6 is EAFNOSUPPORT.
func (l Index) NoLinkLocal() Change {
	const none = 1 // IN6_ADDR_GEN_MODE_NONE of linux/if_link.h
	request := aboutLink(unix.RTM_SETLINK, int(l))
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, nil)
	spec.AddRtAttr(unix.AF_INET6|unix.NLA_F_NESTED, nil).AddRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, nl.Uint8Attr(none))
	request.AddData(spec)
	return Change{About: "no link-local address", request: request}
}

// AltName adds an alternative name of at most 127 bytes.
func (l Index) AltName(name string) Change {
	request := aboutLink(unix.RTM_NEWLINKPROP, int(l))
	request.Flags |= unix.NLM_F_CREATE | unix.NLM_F_EXCL
	list := nl.NewRtAttr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, nil)
	list.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated(name))
	request.AddData(list)
	return Change{About: fmt.Sprintf("alternative name %q", name), request: request}
}

// Forwarding lets the host forward IPv4 packets that arrive at the interface
// (net.ipv4.conf.LINK.forwarding), without a path of /proc/sys.
func (l Index) Forwarding() Change { return l.settings("forwarding of the link", devconfForwarding) }

// Routed does the same for an interface with one host behind it. Requests of ARP are then heard for senders only to which a
// route leads by the interface (net.ipv4.conf.LINK.arp_filter): the other ones would fill the host's table of neighbours.
func (l Index) Routed() Change {
	return l.settings("forwarding and arp_filter of the link", devconfForwarding, devconfARPFilter)
}

// Settings of IPV4_DEVCONF in linux/ip.h.
const (
	devconfForwarding = 1
	devconfARPFilter  = 13
)

// settings switches settings of an interface on.
func (l Index) settings(about string, numbers ...int) Change {
	// ipv4/devinet.c takes the settings as a nest whose attribute types are the settings'
	// numbers.
	request := aboutLink(unix.RTM_SETLINK, int(l))
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, nil)
	v4 := spec.AddRtAttr(unix.AF_INET|unix.NLA_F_NESTED, nil)
	settings := v4.AddRtAttr(unix.IFLA_INET_CONF|unix.NLA_F_NESTED, nil)
	for _, n := range numbers {
		settings.AddRtAttr(n, nl.Uint32Attr(1))
	}
	request.AddData(spec)
	return Change{About: about, request: request}
}

// Address adds an address to the interface. An IPv6 address is usable at once, without
// duplicate address detection.
func (l Index) Address(p netip.Prefix) Change {
	about := nl.NewIfAddrmsg(family(p.Addr()))
	about.Prefixlen, about.Index = uint8(p.Bits()), uint32(l)
	request := nl.NewNetlinkRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	request.AddData(about)
	request.AddData(nl.NewRtAttr(unix.IFA_LOCAL, p.Addr().AsSlice()))
	request.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, p.Addr().AsSlice()))
	if p.Addr().Is6() {
		request.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(unix.IFA_F_NODAD)))
	}
	return Change{About: "address " + p.String(), request: request}
}

// NewAddress is Address, and fails with EEXIST when the interface has the address already.
func (l Index) NewAddress(p netip.Prefix) Change {
	c := l.Address(p)
	c.request.Flags = unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_EXCL
	return c
}

// NoAddress removes an address from the interface.
func (l Index) NoAddress(p netip.Prefix) Change {
	c := l.Address(p)
	c.request.Type, c.request.Flags = unix.RTM_DELADDR, unix.NLM_F_REQUEST
	return c
}

// HostRoute describes a route through one interface.
type HostRoute struct {
	// To is the destination. The default route of a family is 0.0.0.0/0 or ::/0.
	To netip.Prefix
	// Via is the gateway, which is reached through the interface whatever its addresses
	// (onlink). Invalid: the destination is connected directly.
	Via netip.Addr
	// Distant: the gateway is reached as other routes say, through Link if that is not zero.
	Distant bool
	// Source is the preferred source address. Invalid: the kernel's choice.
	Source netip.Addr
	// Link is the index of the interface.
	Link Index
	// Protocol marks the owner (rtnetlink(7), rtm_protocol).
	Protocol uint8
	// Unreachable: the kernel refuses packets there, and Link is not used. Other routes to the same
	// destination come first.
	Unreachable bool
	// Metric orders routes to one destination; the smallest one is used. Zero: the kernel's choice, and any one for Delete.
	Metric uint32
}

// AddNew adds the route. One to the same destination is EEXIST.
func (r HostRoute) AddNew() Change {
	return r.change(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
}

// Add adds the route; an existing one is replaced.
func (r HostRoute) Add() Change {
	return r.change(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
}

// Delete deletes the route. A missing one is ESRCH.
func (r HostRoute) Delete() Change { return r.change(unix.RTM_DELROUTE, 0) }

func (r HostRoute) change(kind, flags int) Change {
	about := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family: uint8(family(r.To.Addr())), Dst_len: uint8(r.To.Bits()), Table: unix.RT_TABLE_MAIN, Protocol: r.Protocol,
		Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_UNICAST,
	}}
	switch {
	case r.Unreachable:
		about.Type = unix.RTN_UNREACHABLE
	case r.Via.IsValid() && r.Distant:
	case r.Via.IsValid():
		about.Flags = unix.RTNH_F_ONLINK
	case r.To.Addr().Is4():
		about.Scope = unix.RT_SCOPE_LINK
	}
	request := nl.NewNetlinkRequest(kind, flags)
	request.AddData(about)
	if r.To.Bits() > 0 {
		request.AddData(nl.NewRtAttr(unix.RTA_DST, r.To.Addr().AsSlice()))
	}
	if r.Via.IsValid() {
		request.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, r.Via.AsSlice()))
	}
	if r.Source.IsValid() {
		request.AddData(nl.NewRtAttr(unix.RTA_PREFSRC, r.Source.AsSlice()))
	}
	if r.Metric != 0 {
		request.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(r.Metric)))
	}
	if r.Link != 0 && !r.Unreachable {
		request.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(r.Link))))
	}
	return Change{About: "route to " + r.To.String(), request: request}
}

// Neighbour adds the hardware address of an IP address behind the interface. It is permanent:
// the kernel never asks for it, and replies of others do not change it.
func (l Index) Neighbour(ip netip.Addr, mac net.HardwareAddr) Change {
	request := nl.NewNetlinkRequest(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	request.AddData(ndMsg{unix.NdMsg{Family: uint8(family(ip)), Ifindex: int32(l), State: unix.NUD_PERMANENT}})
	request.AddData(nl.NewRtAttr(unix.NDA_DST, ip.AsSlice()))
	request.AddData(nl.NewRtAttr(unix.NDA_LLADDR, mac))
	return Change{About: "neighbour " + ip.String(), request: request}
}

// ndMsg is struct ndmsg as the data of a request.
type ndMsg struct{ unix.NdMsg }

// Len returns the size of the message in bytes.
func (m ndMsg) Len() int { return unix.SizeofNdMsg }

// Serialize returns the message in the kernel's layout.
func (m ndMsg) Serialize() []byte {
	b := make([]byte, unix.SizeofNdMsg)
	b[0] = m.Family
	binary.NativeEndian.PutUint32(b[4:], uint32(m.Ifindex))
	binary.NativeEndian.PutUint16(b[8:], m.State)
	b[10], b[11] = m.Flags, m.Type
	return b
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
