package namespaces

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Veth describes a pair of connected interfaces: one end in the caller's network namespace,
// the other in Netns.
type Veth struct {
	// Host is the name of the end in the caller's namespace. Required.
	Host string
	// Peer is the name of the other end, which is created in Netns. Required.
	Peer string
	// Netns is the network namespace of the peer. Zero: the caller's.
	Netns netns.NsHandle
	// HostMAC and PeerMAC set the hardware addresses when the pair is created, so that udev
	// does not set them later. Nil: the kernel's choice.
	HostMAC, PeerMAC net.HardwareAddr
	// Alias is a note on the host end that names its owner. Optional.
	Alias string
}

// CreateVeth makes the pair in one message: the peer is never in the wrong namespace or
// without its name.
//
// CreateVeth, MoveLink, AddAddress, SetUp and DeleteLink are for programs that embed the emperor
// and connect vassals by their own hooks in Go. The built-in network uses Netlink, which works in
// other namespaces and identifies links by index.
func CreateVeth(v Veth) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.HardwareAddr, attributes.Alias = v.Host, v.HostMAC, v.Alias
	pair := &netlink.Veth{LinkAttrs: attributes, PeerName: v.Peer, PeerHardwareAddr: v.PeerMAC}
	if v.Netns != 0 {
		pair.PeerNamespace = netlink.NsFd(v.Netns)
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("cannot make veth %q with peer %q: %w", v.Host, v.Peer, err)
	}
	if v.Alias == "" {
		return nil
	}
	// The kernel sets the alias of an existing link only.
	if err := netlink.LinkSetAlias(pair, v.Alias); err != nil {
		_ = netlink.LinkDel(pair)
		return fmt.Errorf("cannot set the alias of %q: %w", v.Host, err)
	}
	return nil
}

// MoveLink moves an interface of the caller's network namespace into another one: the
// handle cannot name a later namespace.
func MoveLink(name string, network netns.NsHandle) error {
	link, err := find(name)
	if err == nil {
		err = netlink.LinkSetNsFd(link, int(network))
	}
	if err != nil {
		return fmt.Errorf("cannot move link %q: %w", name, err)
	}
	return nil
}

// AddAddress adds an address with its prefix length to an interface, such as 192.0.2.1/24 or
// 2001:db8::1/64. An IPv6 address is usable at once: no other host has it, so duplicate
// address detection is skipped.
func AddAddress(name, cidr string) error {
	link, err := find(name)
	if err == nil {
		var address *netlink.Addr
		if address, err = netlink.ParseAddr(cidr); err == nil {
			if address.IP.To4() == nil {
				address.Flags |= unix.IFA_F_NODAD
			}
			err = netlink.AddrAdd(link, address)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot add address %q to link %q: %w", cidr, name, err)
	}
	return nil
}

// SetUp sets an interface up.
func SetUp(name string) error {
	link, err := find(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("cannot set link %q up: %w", name, err)
	}
	return nil
}

// DeleteLink deletes an interface, and with it the other end of a veth pair. When it returns,
// the interface has left the caller's namespace. A missing interface is an error.
func DeleteLink(name string) error {
	link, err := find(name)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("cannot delete link %q: %w", name, err)
	}
	// By index: another interface may have the name by now.
	var missing netlink.LinkNotFoundError
	switch _, err := netlink.LinkByIndex(link.Attrs().Index); {
	case err == nil:
		return fmt.Errorf("cannot delete link %q: it is still there", name)
	case !errors.As(err, &missing):
		return fmt.Errorf("cannot delete link %q: %w", name, err)
	}
	return nil
}

// find looks up an interface; it returns ENODEV when there is none.
func find(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if _, ok := errors.AsType[netlink.LinkNotFoundError](err); ok {
		return nil, unix.ENODEV
	}
	return link, err
}
