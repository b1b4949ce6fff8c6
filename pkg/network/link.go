package network

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Request is one generation of a vassal that wants to be connected.
type Request struct {
	// Vassal is its name, and Generation the number of its launch.
	Vassal     string
	Generation uint64
	// Wish is its place in the network.
	Wish spec.Wish
	// Netns is its network namespace. The caller closes it when Up has returned.
	Netns netns.NsHandle
	// Lost is called when its link goes or is set down while it runs, and without a reason when it is up
	// again and repaired. Nil: it is not watched.
	Lost func(reason string)
}

// Link is the connection of one generation of a vassal.
type Link struct {
	// Vassal and Generation are the request's.
	Vassal     string
	Generation uint64
	// Addresses are the vassal's, IPv4 first, and Gateways the host's on the way from there.
	Addresses, Gateways []netip.Addr
	// Interface is the name inside, HostInterface the one of the other end, and Index its number.
	Interface, HostInterface string
	Index                    namespaces.Index

	wish             spec.Wish // guarded by Stage.mu, as are the elements
	elements         []Element
	inside           namespaces.Index
	hostMAC, peerMAC net.HardwareAddr

	pool *Pool // nil: the addresses are in a network of others
	bits []int // the lengths of the addresses' prefixes; nil: the vassal is alone on its link
	// bridge is the one that the host's end belongs to, and bridgeMAC its hardware address, if that
	// does not change. Zero: there is none.
	bridge    namespaces.Index
	bridgeMAC net.HardwareAddr
	// held is the vassal's network namespace. It answers clients, with a refusal, after the end of the last
	// process, until the link is deleted. None: not held.
	held netns.NsHandle
	// parent is the interface below one that was born in netns. Zero: there is none.
	parent namespaces.Index
	// netns is the link's own handle of that namespace, which Down closes. None: the link has no parent.
	netns netns.NsHandle
}

// routes returns the routes of the host to the vassal.
func (l *Link) routes() (list []namespaces.HostRoute) {
	if l.bridge != 0 {
		return nil // they are the bridge's
	}
	for i, a := range l.Addresses {
		route := namespaces.HostRoute{To: netip.PrefixFrom(a, a.BitLen()), Link: l.Index, Protocol: RouteProtocol}
		if a.Is4() {
			route.Source = l.Gateways[i]
		}
		list = append(list, route)
	}
	for _, p := range l.wish.Routes {
		list = append(list, namespaces.HostRoute{To: p, Via: l.addressLike(p.Addr()), Link: l.Index, Protocol: RouteProtocol})
	}
	return list
}

// raised returns the changes that set the host's end up. The ones of its properties come first: the kernel walks
// through all routes of IPv6 for each change of an interface that is up, and also for its link-local address, which
// no packet uses.
func (l *Link) raised(id ID) []namespaces.Change {
	alternative, local := l.Index.AltName(altName(l.Vassal)), l.Index.NoLinkLocal()
	alternative.Optional = true // another emperor may have a vassal of that name
	local.Optional = true       // the host may have no IPv6
	list := []namespaces.Change{l.Index.Alias(id.alias(l.Vassal, l.Generation)), alternative, local}
	if l.bridge == 0 && l.addressLike(netip.IPv4Unspecified()).IsValid() {
		list = append(list, l.Index.Routed())
	}
	return append(list, l.Index.Up())
}

// outside returns the changes that lead packets to the vassal; add is AddNew or Add of a route. The neighbours are
// permanent: no packet asks for them, and no answer of another vassal replaces them.
func (l *Link) outside(add func(namespaces.HostRoute) namespaces.Change) (list []namespaces.Change) {
	behind, known := l.neighbours()
	for _, a := range known {
		list = append(list, behind.Neighbour(a, l.peerMAC))
	}
	for _, route := range l.routes() {
		list = append(list, add(route))
	}
	return list
}

// mended returns the changes that make the host's side again.
func (l *Link) mended() []namespaces.Change {
	return append([]namespaces.Change{l.Index.HardwareAddress(l.hostMAC)}, l.outside(namespaces.HostRoute.Add)...)
}

// neighbours returns the addresses that have permanent neighbours, and the interface behind which they are.
func (l *Link) neighbours() (behind namespaces.Index, known []netip.Addr) {
	switch {
	case l.bridge == 0:
		return l.Index, l.Addresses
	case l.pool != nil:
		return l.bridge, l.Addresses
	}
	return 0, nil
}

// addressLike returns the vassal's address of the same family.
func (l *Link) addressLike(a netip.Addr) netip.Addr {
	for _, own := range l.Addresses {
		if own.Is4() == a.Is4() {
			return own
		}
	}
	return netip.Addr{}
}

// within returns the changes of the vassal's end.
func (l *Link) within() []namespaces.Change {
	list := []namespaces.Change{loopback.Up(), l.inside.Up()}
	for i, a := range l.Addresses {
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if a.Is6() {
			everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		bits, router := a.BitLen(), l.hostMAC
		if l.bits != nil {
			bits, router = l.bits[i], l.bridgeMAC
		}
		list = append(list, l.inside.Address(netip.PrefixFrom(a, bits)))
		if !l.Gateways[i].IsValid() {
			continue
		}
		if router != nil {
			list = append(list, l.inside.Neighbour(l.Gateways[i], router))
		}
		list = append(list, namespaces.HostRoute{To: everything, Via: l.Gateways[i], Link: l.inside, Protocol: RouteProtocol}.Add())
	}
	return list
}
