package namespaces

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// IfUp sets an interface of the caller's network namespace up and adds the addresses that it
// lacks. IPv6 addresses are usable at once: the operator gave out each address only once, so
// duplicate address detection is skipped.
func IfUp(name string, addresses []netip.Prefix) error {
	n, err := OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	link, err := n.LinkNamed(name)
	if err != nil {
		return fmt.Errorf("cannot set up interface %q: %w", name, err)
	}
	for _, prefix := range addresses {
		if err := n.Apply(link.Index.Address(prefix)); err != nil {
			return fmt.Errorf("cannot give %q address %s: %w", name, prefix, err)
		}
	}
	if err := n.Apply(link.Index.Up()); err != nil {
		return fmt.Errorf("cannot set up interface %q: %w", name, err)
	}
	return nil
}

// Route is a route to a destination.
type Route struct {
	// To is the destination; the zero value means the default route.
	To netip.Prefix
	// Via is the gateway. The zero value: none, To is on the link.
	Via netip.Addr
	// Device is the interface. Empty: the interface through which the kernel reaches the
	// gateway.
	Device string
}

// Replace adds the route, or replaces the route to the same destination.
func (r Route) Replace() error {
	n, err := OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	route := HostRoute{To: r.To, Via: r.Via, Distant: true, Protocol: unix.RTPROT_BOOT}
	switch {
	case r.To.IsValid():
	case r.Via.Is6():
		route.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	default:
		route.To = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	if r.Device != "" {
		link, err := n.LinkNamed(r.Device)
		if err != nil {
			return fmt.Errorf("cannot route by %q: %w", r.Device, err)
		}
		route.Link = link.Index
	}
	if err := n.Apply(route.Add()); err != nil {
		return fmt.Errorf("cannot set the route: %w", err)
	}
	return nil
}
