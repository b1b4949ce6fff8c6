package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// bridge is the bridge of the options.
type bridge struct {
	name  string
	index namespaces.Index
	mac   net.HardwareAddr
	// made: the stage has made it. The policy of another one is the operator's.
	made bool
	// pool has the addresses of its vassals. Nil: they bring their own.
	pool     *Pool
	gateways []netip.Addr
}

// openBridge makes the bridge of the options, or uses the one that is there.
func (s *Stage) openBridge(host hostFacts) error {
	wanted := s.config.Bridge
	if wanted.Name == "" {
		return nil
	}
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	b := &bridge{name: wanted.Name, mac: derivedMAC("bridge", machineID(), wanted.Name)}
	facts, err := n.LinkNamed(b.name)
	switch {
	case errors.Is(err, errNoLink):
		err = s.makeBridge(n, b, host)
	case err == nil:
		err = b.adopt(facts, wanted.Prefixes)
	}
	if err == nil && wanted.Prefixes != nil {
		b.pool, err = NewPool(bridgeDir(s.config.Dir), wanted.Prefixes...)
	}
	if err != nil {
		return explained("", fmt.Errorf("cannot use bridge %q: %w", b.name, err))
	}
	s.bridge = b
	if filtered := bridgedPacketsAreFiltered(); filtered && !s.config.Between && b.pool != nil {
		s.config.Log.Warn("the kernel applies NAT to packets within bridges: vassals on the bridge do not reach published ports of each other "+
			"(sysctl -w net.bridge.bridge-nf-call-iptables=0, unless other programs need it)", "bridge", b.name)
	}
	return nil
}

// bridgedPacketsAreFiltered reports whether br_netfilter sends the packets of a bridge through the
// rules for routed ones. A packet whose destination it changes to a vassal on the same bridge then
// stays within the bridge, where the vassals are kept apart.
func bridgedPacketsAreFiltered() bool {
	b, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables")
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// makeBridge makes the bridge in the group of the emperor, with which it also goes. Its gateway
// is the first address of each prefix.
func (s *Stage) makeBridge(n *namespaces.Netlink, b *bridge, host hostFacts) (err error) {
	if err = conflictOfBridge(s.config.Bridge.Prefixes, slices.Concat(s.pool.Prefixes(), host.inUse)); err != nil {
		return err
	}
	if b.index, err = n.AddBridge(namespaces.Bridge{Name: b.name, MAC: b.mac, Group: s.id.Group(), MTU: s.mtu}); err != nil {
		return err
	}
	b.made = true
	if err := guardHost(b.name); err != nil {
		return err
	}
	changes := []namespaces.Change{b.index.Forwarding()}
	for _, p := range s.config.Bridge.Prefixes {
		gateway := p.Masked().Addr().Next()
		b.gateways = append(b.gateways, gateway)
		changes = append(changes, b.index.Address(netip.PrefixFrom(gateway, p.Bits())))
	}
	return n.Apply(changes...)
}

// adopt uses a bridge of the operator. It has the gateways' addresses already.
func (b *bridge) adopt(facts namespaces.LinkFacts, prefixes []netip.Prefix) error {
	if err := isBridge(facts); err != nil {
		return err
	}
	b.index, b.mac = facts.Index, facts.MAC
	own, err := addressesOf(facts.Index)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		i := slices.IndexFunc(own, func(q netip.Prefix) bool { return p.Contains(q.Addr()) })
		if i < 0 {
			return fmt.Errorf("it is there and has no address in %s (ip address add %s/%d dev %s)", p, p.Masked().Addr().Next(), p.Bits(), b.name)
		}
		b.gateways = append(b.gateways, own[i].Addr())
	}
	return nil
}

// prefixes returns the addresses that the policy covers.
func (b *bridge) prefixes() []netip.Prefix {
	if b == nil || !b.made || b.pool == nil {
		return nil
	}
	return b.pool.Prefixes()
}

// maxPorts is the number of ports at which a bridge takes no more vassals: the kernel ends at
// 1023, with an error that names no cause (BR_MAX_PORTS of net/bridge/br_private.h).
const maxPorts = 1000

// join finds the bridge of the vassal.
func (c *connecting) join(context.Context) error {
	l := c.link
	name := c.request.Wish.Mode.Of
	switch b := c.stage.bridge; {
	case b != nil && (name == "" || name == b.name):
		l.bridge, l.bridgeMAC, l.pool, l.Gateways = b.index, b.mac, b.pool, b.gateways
		name = b.name
	case name == "":
		return errors.New("no bridge is given (network = bridge:NAME, or emperor-network-bridge)")
	default:
		facts, err := c.out.LinkNamed(name)
		if errors.Is(err, errNoLink) {
			return fmt.Errorf("there is no bridge %q", name)
		}
		if err == nil {
			err = isBridge(facts)
		}
		if err != nil {
			return err
		}
		l.bridge = facts.Index
	}
	if err := roomOn(name, c.stage.portsOf(l.bridge)); err != nil {
		return err
	}
	if l.pool == nil {
		return c.foreign(l.bridge)
	}
	return nil
}

// isBridge returns an error for an interface of another kind.
func isBridge(facts namespaces.LinkFacts) error {
	l, err := netlink.LinkByIndex(int(facts.Index))
	if err == nil && l.Type() != "bridge" {
		err = fmt.Errorf("%q is no bridge", facts.Name)
	}
	return err
}

// portsOf counts the vassals on a bridge.
func (s *Stage) portsOf(bridge namespaces.Index) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l.bridge == bridge {
			n++
		}
	}
	return n
}

// roomOn returns an error when a bridge takes no more ports.
func roomOn(name string, ports int) error {
	if ports >= maxPorts {
		return fmt.Errorf("bridge %q has %d ports, and the kernel has room for few more (network = routed)", name, ports)
	}
	return nil
}

// port keeps the vassal from its neighbours on the bridge and from forging packets.
func (c *connecting) port(context.Context) error {
	l := c.link
	if !c.stage.config.Between {
		if err := c.out.Apply(l.Index.Isolate()); err != nil {
			return err
		}
	}
	return c.stage.guards.put(l.HostInterface, guard{mac: l.peerMAC, addresses: l.Addresses})
}

// leaveBridge removes the vassal's neighbours from the bridge.
func (s *Stage) leaveBridge(l *Link) error {
	if l.bridge == 0 || l.pool == nil || len(l.Addresses) == 0 {
		return nil
	}
	return s.bridge.forget(s.sockets.open, l.Addresses)
}

// forget removes neighbours from the bridge. Missing ones are no error.
func (b *bridge) forget(open func() (rtnetlink, error), neighbours []netip.Addr) error {
	n, err := open()
	if err != nil {
		return err
	}
	defer n.Close()
	var changes []namespaces.Change
	for _, a := range neighbours {
		c := b.index.NoNeighbour(a)
		c.Optional = true
		changes = append(changes, c)
	}
	return n.Apply(changes...)
}

// neighbours lists the addresses of the pool that are permanent on the bridge. Nil: there is no such bridge.
func (b *bridge) neighbours() (list []netip.Addr, err error) {
	if b == nil || b.pool == nil {
		return nil, nil
	}
	all, err := complete(func() ([]netlink.Neigh, error) { return netlink.NeighList(int(b.index), unix.AF_UNSPEC) })
	if err != nil {
		return nil, fmt.Errorf("cannot list neighbours: %w", err)
	}
	for _, n := range all {
		a, ok := netip.AddrFromSlice(n.IP)
		if a = a.Unmap(); ok && n.State == netlink.NUD_PERMANENT && partOf(netip.PrefixFrom(a, a.BitLen()), b.pool.Prefixes()) {
			list = append(list, a)
		}
	}
	return list, nil
}

// foreign takes the addresses of the vassal's file, in a network that is not the emperor's. Their
// prefixes and the way to others are the host's own on that interface.
func (c *connecting) foreign(on namespaces.Index) error {
	l := c.link
	l.Addresses = c.request.Wish.Addresses
	if len(l.Addresses) == 0 {
		if len(c.request.Wish.Publish)+len(c.request.Wish.Allow) > 0 {
			return errors.New("the address of the vassal is not known: its ports cannot be published (network-address, or network = routed)")
		}
		return nil // it asks a DHCP server, or receives router advertisements
	}
	host, err := addressesOf(on)
	if err != nil {
		return err
	}
	routers, err := routersOn(on)
	if err != nil {
		return err
	}
	for _, a := range l.Addresses {
		i := slices.IndexFunc(host, func(p netip.Prefix) bool { return p.Contains(a) })
		if i < 0 {
			return fmt.Errorf("network-address = %s is in no network of the interface: %s", a, host)
		}
		l.bits = append(l.bits, host[i].Bits())
		gateway := netip.Addr{}
		if j := slices.IndexFunc(routers, func(r netip.Addr) bool { return r.Is4() == a.Is4() }); j >= 0 {
			gateway = routers[j]
		} else if c.request.Wish.Mode.Kind == spec.Bridge {
			gateway = host[i].Addr()
		}
		l.Gateways = append(l.Gateways, gateway)
	}
	return nil
}
