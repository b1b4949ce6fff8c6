package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// outside configures the host's end. A route of the host to an address of the vassal stays, and is an
// error; one that an emperor has left is replaced.
func (c *connecting) outside(context.Context) error {
	err := c.out.Apply(c.link.outside(c.id, namespaces.HostRoute.AddNew)...)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	prefixes := slices.Clone(c.request.Wish.Routes)
	for _, a := range c.link.Addresses {
		prefixes = append(prefixes, netip.PrefixFrom(a, a.BitLen()))
	}
	if foreign := foreignRoute(prefixes); foreign != nil {
		return errors.Join(foreign, err)
	}
	return c.out.Apply(c.link.outside(c.id, namespaces.HostRoute.Add)...)
}

// mend makes the routes and neighbours of a link again, which another program has set down and up: the
// kernel has removed them.
func (s *Stage) mend(l *Link, lost func(reason string)) {
	n, err := s.open()
	if err == nil {
		defer n.Close()
		err = n.Apply(l.outside(s.id, namespaces.HostRoute.Add)...)
	}
	switch {
	case errors.Is(err, errNoLink): // it is gone now
	case err != nil:
		s.config.Log.Error("cannot repair a link that another program has set down and up", "vassal", l.Vassal, "link", l.HostInterface, "error", err)
	default:
		lost("")
	}
}

// foreignRoute returns an error about the first route of this host to one of the prefixes that no
// emperor has made. Nil: there is none.
func foreignRoute(prefixes []netip.Prefix) error {
	for _, p := range prefixes {
		family := unix.AF_INET
		if p.Addr().Is6() {
			family = unix.AF_INET6
		}
		routes, err := complete(func() ([]netlink.Route, error) { return netlink.RouteList(nil, family) })
		if err != nil {
			return fmt.Errorf("cannot list routes: %w", err)
		}
		for _, r := range routes {
			if r.Dst != nil && r.Dst.String() == p.String() && r.Protocol != RouteProtocol {
				return fmt.Errorf("this host has a route to %s by %s (ip route delete %s, or another network-address or emperor-network-pool)", p, nameOf(namespaces.Index(r.LinkIndex)), p)
			}
		}
	}
	return nil
}
