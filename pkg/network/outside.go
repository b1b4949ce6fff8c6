package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// outside leads packets for the vassal to its link. A route of the host to an address of the vassal stays, and is an
// error; one that an emperor has left is replaced.
func (c *connecting) outside(context.Context) error {
	add := func() error { return c.out.Apply(c.link.outside(namespaces.HostRoute.AddNew)...) }
	err := add()
	if errors.Is(err, unix.EINVAL) { // the gateway's address may be missing, which the routes name as their source
		err = errors.Join(c.stage.restoreParts(), add())
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	foreign, failed := foreignRoute(c.link.prefixes())
	if foreign != nil || failed != nil {
		return errors.Join(foreign, failed, err)
	}
	return c.out.Apply(c.link.outside(namespaces.HostRoute.Add)...)
}

// foreignRoute returns the first route of this host to one of the prefixes that no emperor has made, as
// a fault. Nil: there is none.
func foreignRoute(prefixes []netip.Prefix) (foreign, err error) {
	for _, p := range prefixes {
		family := unix.AF_INET
		if p.Addr().Is6() {
			family = unix.AF_INET6
		}
		routes, err := complete(func() ([]netlink.Route, error) { return netlink.RouteList(nil, family) })
		if err != nil {
			return nil, fmt.Errorf("cannot list routes: %w", err)
		}
		for _, r := range routes {
			if r.Dst != nil && r.Dst.String() == p.String() && r.Protocol != RouteProtocol {
				return &fault{
					what: fmt.Sprintf("this host has a route to %s by %s", p, nameOf(namespaces.Index(r.LinkIndex))),
					hint: fmt.Sprintf("ip route delete %s, or another network-address or emperor-network-pool", p),
				}, nil
			}
		}
	}
	return nil, nil
}
