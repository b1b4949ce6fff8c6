package namespaces

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Bridge describes a bridge.
type Bridge struct {
	Name string
	// MAC is its hardware address, which stays when ports come and go. Required.
	MAC net.HardwareAddr
	// Group is its group (ip-link(8), group).
	Group uint32
	// MTU in bytes. Zero: the kernel's.
	MTU int
}

// AddBridge makes a bridge, which is up, and returns its index. An existing name is EEXIST.
func (n *Netlink) AddBridge(b Bridge) (Index, error) {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ECHO)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Flags, about.Change = unix.IFF_UP, unix.IFF_UP
	request.AddData(about)
	request.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(b.Name)))
	request.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, b.MAC))
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(b.Group)))
	if b.MTU > 0 {
		request.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(b.MTU))))
	}
	kind := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	kind.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	request.AddData(kind)
	index, err := n.create(request, b.Name, b.MAC)
	if err != nil {
		return 0, fmt.Errorf("cannot make bridge %q: %w", b.Name, withKind("bridge", err))
	}
	return index, nil
}

// Isolate keeps a port of a bridge from reaching other isolated ports (bridge(8), isolated).
func (l Index) Isolate() Change {
	request := nl.NewNetlinkRequest(unix.RTM_SETLINK, 0)
	about := nl.NewIfInfomsg(unix.AF_BRIDGE)
	about.Index = int32(l)
	request.AddData(about)
	port := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	port.AddRtAttr(unix.IFLA_BRPORT_ISOLATED, []byte{1})
	request.AddData(port)
	return Change{About: "isolation of the port", request: request}
}

// NoNeighbour removes the hardware address of an IP address.
func (l Index) NoNeighbour(ip netip.Addr) Change {
	request := nl.NewNetlinkRequest(unix.RTM_DELNEIGH, 0)
	request.AddData(ndMsg{unix.NdMsg{Family: uint8(family(ip)), Ifindex: int32(l)}})
	request.AddData(nl.NewRtAttr(unix.NDA_DST, ip.AsSlice()))
	return Change{About: "no neighbour " + ip.String(), request: request}
}

// Delete deletes the interface.
func (l Index) Delete() Change {
	return Change{About: fmt.Sprintf("link %d away", l), request: deleteLink(int(l))}
}

// Sublink describes an interface on top of another one that is born in another network namespace.
type Sublink struct {
	// Kind is macvlan or ipvlan.
	Kind string
	// Parent is the interface below, here. Required.
	Parent Index
	// Name inside, and MAC of a macvlan.
	Name string
	MAC  net.HardwareAddr
	// Private: interfaces on top of the same parent do not reach each other.
	Private bool
	// MTU in bytes. Zero: the parent's.
	MTU int
	// Netns is the network namespace in which it is born; it stays the caller's. Required.
	Netns netns.NsHandle
}

// The modes of linux/if_link.h.
const (
	macvlanPrivate = 1
	macvlanBridge  = 4
	ipvlanL2       = 0
	ipvlanPrivate  = 1
)

// AddSublink makes an interface in another network namespace. It is down. An existing name is
// EEXIST. EADDRINUSE: another interface on the parent has the MAC.
func (n *Netlink) AddSublink(s Sublink) error {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(s.Name)))
	request.AddData(nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(s.Parent))))
	request.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(s.Netns))))
	if s.MTU > 0 {
		request.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(s.MTU))))
	}
	kind := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	kind.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated(s.Kind))
	data := kind.AddRtAttr(unix.IFLA_INFO_DATA, nil)
	if s.Kind == "macvlan" {
		request.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, s.MAC))
		mode := uint32(macvlanBridge)
		if s.Private {
			mode = macvlanPrivate
		}
		data.AddRtAttr(nl.IFLA_MACVLAN_MODE, nl.Uint32Attr(mode))
	} else {
		data.AddRtAttr(nl.IFLA_IPVLAN_MODE, nl.Uint16Attr(ipvlanL2))
		if s.Private {
			data.AddRtAttr(nl.IFLA_IPVLAN_FLAG, nl.Uint16Attr(ipvlanPrivate))
		}
	}
	request.AddData(kind)
	answers, err := n.rtnl.do([]*nl.NetlinkRequest{request})
	if err == nil {
		err = answers[0]
	}
	if err != nil {
		return fmt.Errorf("cannot make %s %q: %w", s.Kind, s.Name, withKind(s.Kind, err))
	}
	return nil
}

// withKind explains that the kernel does not have a kind of interface.
func withKind(kind string, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("this kernel has no interfaces of the kind %s (modprobe %s): %w", kind, kind, err)
	}
	return err
}
