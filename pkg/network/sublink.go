package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// parent finds the interface on top of which the vassal's is made.
func (c *connecting) parent(context.Context) error {
	name := c.request.Wish.Mode.Of
	facts, err := c.out.LinkNamed(name)
	if errors.Is(err, errNoLink) {
		return fmt.Errorf("there is no interface %q", name)
	}
	if err != nil {
		return err
	}
	c.link.parent = facts.Index
	return c.foreign(facts.Index)
}

// freeMAC is the interval of trying a hardware address again, which the interface of the
// generation before has until the kernel has removed its namespace.
const freeMAC = 20 * time.Millisecond

// born makes the interface in the namespace of the vassal. Nothing of it is on the host.
func (c *connecting) born(ctx context.Context) (err error) {
	l := c.link
	_, l.peerMAC = c.stage.id.macs(l.Vassal)
	if c.request.Wish.MAC != nil {
		l.peerMAC = c.request.Wish.MAC
	}
	if c.in, err = c.stage.sockets.enter(c.request.Netns); err != nil {
		return err
	}
	s := namespaces.Sublink{
		Kind: string(c.request.Wish.Mode.Kind), Parent: l.parent, Name: l.Interface, MAC: l.peerMAC, Private: !c.stage.config.Between,
		MTU: c.request.Wish.MTU, Netns: c.request.Netns,
	}
	if err = untilFree(ctx, func() error { return c.out.AddSublink(s) }); err != nil {
		return err
	}
	inside, err := c.in.LinkNamed(l.Interface)
	if err != nil {
		return err
	}
	l.inside = inside.Index
	if l.netns, err = namespaces.DuplicateNetwork(c.request.Netns); err != nil {
		return err
	}
	// The kernel compares the address also with interfaces that it sets up at the same time.
	return untilFree(ctx, func() error { return c.in.Apply(l.inside.Up()) })
}

// untilFree repeats a call that fails because another interface has the hardware address.
func untilFree(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !errors.Is(err, unix.EADDRINUSE) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(freeMAC):
		}
	}
}

// unbear removes an interface in the namespace of a vassal: the kernel would do it some time
// after the namespace has ended.
func (s *Stage) unbear(l *Link) error {
	if !l.netns.IsOpen() {
		return nil
	}
	in, err := s.sockets.enter(l.netns)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.Apply(l.inside.Delete()); err != nil && !errors.Is(err, errNoLink) {
		return err
	}
	return nil
}

// addressesOf returns the addresses of an interface of the host, with their prefixes.
func addressesOf(index namespaces.Index) (list []netip.Prefix, err error) {
	all, err := complete(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.IPNet.String()); err == nil && a.LinkIndex == int(index) && !p.Addr().IsLinkLocalUnicast() {
			list = append(list, p)
		}
	}
	return list, nil
}

// routersOn returns the gateways of the host's default routes by an interface.
func routersOn(index namespaces.Index) (list []netip.Addr, err error) {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := complete(func() ([]netlink.Route, error) { return netlink.RouteList(nil, family) })
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list routes: %w", err)
		}
		for _, r := range routes {
			if via, ok := netip.AddrFromSlice(r.Gw); ok && r.LinkIndex == int(index) && (r.Dst == nil || r.Dst.IP.IsUnspecified()) {
				list = append(list, via.Unmap())
			}
		}
	}
	return list, nil
}
