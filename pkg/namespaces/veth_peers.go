package namespaces

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Peer is an interface in the caller's namespace whose other end is in another network
// namespace. Its index names no other interface as long as the caller's namespace lives.
type Peer struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	// MAC is its hardware address when it was found.
	MAC string `json:"mac"`
}

// PeersOf lists the interfaces of the caller's network namespace whose other ends are in
// another one. It reads that without entering it (rtnetlink, IFLA_TARGET_NETNSID), so its cost does
// not depend on the number of interfaces here.
func PeersOf(network netns.NsHandle) ([]Peer, error) {
	id, err := netnsID(network)
	if errors.Is(err, unix.EPERM) {
		return nil, nil // without the right to number a namespace there is no right to make links
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read a network namespace: %w", err)
	}
	links, err := linksIn(id)
	if err != nil {
		return nil, err
	}
	var peers []Peer
	for _, inner := range links {
		if p, ok := peerOf(inner, id); ok {
			peers = append(peers, p)
		}
	}
	return peers, nil
}

// linksIn lists the interfaces of the network namespace with that number.
func linksIn(id int) (links []netlink.Link, err error) {
	dump := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	dump.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	dump.AddData(nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(id))))
	messages, err := dump.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, fmt.Errorf("cannot list the links of a network namespace: %w", err)
	}
	for _, m := range messages {
		if link, err := netlink.LinkDeserialize(nil, m); err == nil {
			links = append(links, link)
		}
	}
	return links, nil
}

// peerOf finds the other end of an interface in the namespace with that number, if it is here.
func peerOf(inner netlink.Link, id int) (Peer, bool) {
	if inner.Attrs().ParentIndex == 0 {
		return Peer{}, false
	}
	// The index may belong to a third namespace: only both ends together are proof.
	outer, err := netlink.LinkByIndex(inner.Attrs().ParentIndex)
	if err != nil || outer.Attrs().NetNsID != id || outer.Attrs().ParentIndex != inner.Attrs().Index {
		return Peer{}, false
	}
	return Peer{outer.Attrs().Index, outer.Attrs().Name, outer.Attrs().HardwareAddr.String()}, true
}

// NetworkNumber returns the number of a network namespace in the caller's. When it
// ends, the number may be reused for another namespace.
func NetworkNumber(network netns.NsHandle) (int, error) {
	id, err := netnsID(network)
	if err != nil {
		return -1, fmt.Errorf("cannot number a network namespace: %w", err)
	}
	return id, nil
}

// netnsID returns the number of a network namespace here, and assigns one if it has none. The
// number ends with the namespace.
func netnsID(network netns.NsHandle) (int, error) {
	id, err := netlink.GetNetNsIdByFd(int(network))
	if err != nil || id >= 0 {
		return id, err
	}
	if err := netlink.SetNetNsIdByFd(int(network), -1); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return netlink.GetNetNsIdByFd(int(network))
}
