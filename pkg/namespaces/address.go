package namespaces

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// IfUp sets an interface of the caller's network namespace up and adds the addresses that it
// lacks. IPv6 addresses are usable at once: the operator gave out each address only once, so
// duplicate address detection is skipped.
func IfUp(name string, addresses []netip.Prefix) error {
	link, err := find(name)
	if err != nil {
		return fmt.Errorf("cannot set up interface %q: %w", name, err)
	}
	for _, prefix := range addresses {
		a, err := netlink.ParseAddr(prefix.String())
		if err != nil {
			return fmt.Errorf("cannot give %q address %s: %w", name, prefix, err)
		}
		if prefix.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(link, a); err != nil {
			return fmt.Errorf("cannot give %q address %s: %w", name, prefix, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
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
	route := netlink.Route{Gw: r.Via.AsSlice()}
	if r.To.IsValid() {
		n, err := netlink.ParseIPNet(r.To.String())
		if err != nil {
			return fmt.Errorf("cannot route to %s: %w", r.To, err)
		}
		route.Dst = n
	}
	if !r.Via.IsValid() {
		route.Gw, route.Scope = nil, netlink.SCOPE_LINK
	}
	if r.Device != "" {
		link, err := find(r.Device)
		if err != nil {
			return fmt.Errorf("cannot route by %q: %w", r.Device, err)
		}
		route.LinkIndex = link.Attrs().Index
	}
	if err := netlink.RouteReplace(&route); err != nil {
		return fmt.Errorf("cannot set the route: %w", err)
	}
	return nil
}
