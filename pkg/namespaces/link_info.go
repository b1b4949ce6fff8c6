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

// Link is an interface of another network namespace.
type Link struct {
	Name string `json:"name"`
	// Kind as in ip-link(8), such as veth; empty for the loopback interface.
	Kind string `json:"kind,omitempty"`
	// Host is the other end of a pair when that is in the caller's namespace.
	Host string `json:"host,omitempty"`
	// MAC is its hardware address, if it has one.
	MAC string `json:"mac,omitempty"`
	// Up: it is set up.
	Up bool `json:"up"`
	// Addresses with their prefix lengths.
	Addresses []netip.Prefix `json:"addresses,omitempty"`
}

// LinksOf lists the interfaces of a network namespace without entering it. This needs the right to number a
// namespace; without that right the list is empty, and there is no error.
func LinksOf(network netns.NsHandle) ([]Link, error) {
	id, err := netnsID(network)
	if errors.Is(err, unix.EPERM) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read a network namespace: %w", err)
	}
	inner, err := linksIn(id)
	if err != nil {
		return nil, err
	}
	addresses, err := addressesIn(id)
	if err != nil {
		return nil, err
	}
	links := make([]Link, len(inner))
	for i, l := range inner {
		a := l.Attrs()
		links[i] = Link{Name: a.Name, Kind: l.Type(), MAC: a.HardwareAddr.String(), Up: a.Flags&net.FlagUp != 0, Addresses: addresses[a.Index]}
		if a.Flags&net.FlagLoopback != 0 {
			links[i].Kind, links[i].MAC = "", ""
		}
		if p, ok := peerOf(l, id); ok {
			links[i].Host = p.Name
		}
	}
	return links, nil
}

// addressesIn lists the addresses in the network namespace with that number, by the index of
// their interface (rtnetlink, IFA_TARGET_NETNSID).
func addressesIn(id int) (map[int][]netip.Prefix, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	defer socket.Close()
	// Without this option the kernel ignores the attributes of a dump, and lists the addresses
	// of this namespace.
	if err := unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1); err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	dump := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	dump.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	dump.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
	dump.AddData(nl.NewRtAttr(unix.IFA_TARGET_NETNSID, nl.Uint32Attr(uint32(id))))
	messages, err := dump.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	if err != nil {
		return nil, fmt.Errorf("cannot list the addresses of a network namespace: %w", err)
	}
	found := map[int][]netip.Prefix{}
	for _, m := range messages {
		about := nl.DeserializeIfAddrmsg(m)
		attributes, err := nl.ParseRouteAttrAsMap(m[about.Len():])
		if err != nil {
			return nil, fmt.Errorf("cannot read an address: %w", err)
		}
		own, ok := attributes[unix.IFA_LOCAL]
		if !ok { // it is present only when the address of the other end differs (rtnetlink(7))
			own = attributes[unix.IFA_ADDRESS]
		}
		if a, ok := netip.AddrFromSlice(own.Value); ok {
			found[int(about.Index)] = append(found[int(about.Index)], netip.PrefixFrom(a, int(about.Prefixlen)))
		}
	}
	return found, nil
}
