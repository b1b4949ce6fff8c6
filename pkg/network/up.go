package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Up connects a vassal. The first failure undoes everything, except that the vassal keeps its
// addresses for the next time.
func (s *Stage) Up(ctx context.Context, r Request) (_ *Link, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, errTimeout)
	defer cancel()
	c := &connecting{stage: s, request: r, link: linkOf(r)}
	out, back, err := s.sockets.turn(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect it to the network: %w", err)
	}
	c.out = out
	defer func() { back(err != nil) }()
	defer c.leave()
	c.pass(r.Vassal)
	for _, step := range c.steps() {
		if s.reached != nil {
			s.reached()
		}
		if err = context.Cause(ctx); err == nil {
			err = step(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot connect it to the network: %w", errors.Join(err, c.undo()))
		}
	}
	s.observe(WhatUp, began)
	return c.link, nil
}

// linkOf returns the link of a request, of which nothing is made.
func linkOf(r Request) *Link {
	return &Link{
		Vassal: r.Vassal, Generation: r.Generation, Interface: cmp.Or(r.Wish.Interface, spec.DefaultInterface), wish: r.Wish,
		netns: netns.None(), held: netns.None(),
	}
}

// Foresee returns the addresses and the names of the link that Up will make, of a vassal whose mode is spec.Routed. It
// leases the addresses. An error has no effect that Up would not have, and Up returns it too.
func Foresee(s *Stage, r Request) (*Link, error) {
	if r.Wish.Mode.Kind != spec.Routed {
		return nil, errors.New("the place in the network depends on the host")
	}
	l := linkOf(r)
	l.pool, l.Gateways = s.pool, s.gateways
	l.HostInterface = s.id.linkName(l.Vassal, l.Generation, 0)
	return l, l.lease()
}

var errTimeout = errors.New("it takes too long (emperor-network-timeout)")

// connecting is one Up.
type connecting struct {
	stage   *Stage
	request Request
	link    *Link
	out, in rtnetlink
	arrival *arrival
	passes  []func() // end what Stage.pass has begun
}

// pass notes a name in Stage.passing, until the end of the Up.
func (c *connecting) pass(name string) { c.passes = append(c.passes, c.stage.pass(name)) }

// steps returns the steps of an Up, in an order that each can rely on. Published ports are held before they
// lead anywhere. Packets pass before a route leads there, because a client whose first packet is lost waits a
// second.
func (c *connecting) steps() []func(context.Context) error {
	switch c.request.Wish.Mode.Kind {
	case spec.Bridge:
		return []func(context.Context) error{c.join, c.lease, c.pair, c.port, c.settings, c.raise, c.inside, c.rates, c.carrier, c.usable, c.outside, c.admit, c.verify}
	case spec.Macvlan, spec.Ipvlan:
		return []func(context.Context) error{c.parent, c.born, c.inside, c.usable}
	default:
		return []func(context.Context) error{c.lease, c.pair, c.settings, c.raise, c.inside, c.rates, c.carrier, c.usable, c.outside, c.admit, c.verify}
	}
}

// leave closes the handles that only Up needs.
func (c *connecting) leave() {
	if c.in != nil {
		c.in.Close()
	}
	if c.arrival != nil {
		c.arrival.end()
	}
	for _, end := range c.passes {
		end()
	}
}

// lease gives the vassal its addresses, and takes its published ports from the host.
func (c *connecting) lease(context.Context) error {
	l := c.link
	c.stage.Clients.take(l.Vassal)
	if l.bridge == 0 {
		l.pool, l.Gateways = c.stage.pool, c.stage.gateways
	}
	if l.pool != nil {
		if err := l.lease(); err != nil {
			return err
		}
	}
	return c.stage.ports.hold(l.Vassal, l.wish.Publish)
}

// lease gives the vassal its addresses: of its file, or from the pool.
func (l *Link) lease() error {
	addresses, reused, err := l.pool.Lease(l.Vassal)
	if err != nil {
		return err
	}
	for i, a := range addresses {
		for _, own := range l.wish.Addresses {
			if own.Is4() != a.Is4() {
				continue
			}
			if err := l.fix(own); err != nil {
				return err
			}
			addresses[i] = own
		}
	}
	l.Addresses = addresses
	if l.bridge != 0 {
		l.bits = l.pool.Bits()
	}
	if reused {
		forgetConnections(l.Addresses)
	}
	return nil
}

// fix gives the vassal an address of its file. It must lead to the vassal.
func (l *Link) fix(own netip.Addr) error {
	within := func(p netip.Prefix) bool { return p.Contains(own) }
	if slices.Contains(l.Gateways, own) || !slices.ContainsFunc(l.pool.Prefixes(), within) && !slices.ContainsFunc(l.wish.Routes, within) {
		return fmt.Errorf("network-address = %s is no vassal's address in the pool %s "+
			"(network-route = a prefix with it, or emperor-network-pool)", own, l.pool.Prefixes())
	}
	return l.pool.Fix(l.Vassal, own)
}

// salts is the number of names that are tried for one link.
const salts = 8

// pair makes both ends, and opens a socket at the other one.
func (c *connecting) pair(context.Context) (err error) {
	l := c.link
	l.hostMAC, l.peerMAC = c.stage.id.macs(l.Vassal)
	if c.request.Wish.MAC != nil {
		l.peerMAC = c.request.Wish.MAC
	}
	v := namespaces.VethPair{
		Peer: l.Interface, HostMAC: l.hostMAC, PeerMAC: l.peerMAC, Netns: c.request.Netns, Group: c.stage.id.Group(), MTU: c.request.Wish.MTU, Master: l.bridge,
	}
	if v.MTU == 0 {
		v.MTU = c.stage.mtu
	}
	if c.in, err = c.stage.sockets.enter(c.request.Netns); err != nil {
		return err
	}
	for salt := range salts {
		l.HostInterface = c.stage.id.linkName(l.Vassal, l.Generation, salt)
		v.Host = l.HostInterface
		c.pass(v.Host)
		if l.Index, err = c.out.AddVeth(v); errors.Is(err, unix.EXFULL) {
			err = fmt.Errorf("the bridge is full (network = routed): %w", err)
		}
		if !errors.Is(err, unix.EEXIST) || c.insideTaken() {
			break
		}
	}
	if err != nil {
		return err
	}
	c.arrival = c.stage.watch.expect(l.Index)
	if l.held, err = namespaces.DuplicateNetwork(c.request.Netns); err != nil {
		return err
	}
	inside, err := c.in.LinkNamed(l.Interface)
	l.inside = inside.Index
	return err
}

// insideTaken reports whether the vassal's namespace has an interface of that name already.
func (c *connecting) insideTaken() bool {
	_, err := c.in.LinkNamed(c.link.Interface)
	return err == nil
}

// settings guard the host's routes against the vassal, and let its packets pass. The setting
// that only newer kernels have may be missing.
func (c *connecting) settings(context.Context) error { return guardHost(c.link.HostInterface) }

// guardHost makes the settings of an interface of the host.
func guardHost(link string) error {
	for _, set := range []struct{ key, value string }{{"accept_ra", "0"}, {"accept_redirects", "0"}, {forwarding6, "1"}} {
		path := filepath.Join(sysctls, "ipv6/conf", link, set.key)
		err := os.WriteFile(path, []byte(set.value), 0)
		if errors.Is(err, os.ErrNotExist) && (set.key == forwarding6 || !hasIPv6()) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot set %s of its link: %w", set.key, err)
		}
	}
	return nil
}

// raise sets the host's end up, with all that need not wait for the vassal's end.
func (c *connecting) raise(context.Context) error { return c.out.Apply(c.link.raised(c.stage.id)...) }

func (c *connecting) inside(context.Context) error { return c.in.Apply(c.link.within()...) }

// rates limits the traffic of the vassal.
func (c *connecting) rates(context.Context) error {
	return c.stage.limit(c.out, c.in, c.link, spec.Rate{}, c.request.Wish.Limit)
}

// limit changes the rates of a link. The traffic to the vassal waits at the host's end, and the
// traffic from it at its own. A vassal that may configure its end is no faster: the host drops the
// rest.
func (s *Stage) limit(out, in rtnetlink, l *Link, was, is spec.Rate) error {
	for _, d := range []struct {
		n       rtnetlink
		index   namespaces.Index
		was, is uint64
	}{{out, l.Index, was.Down, is.Down}, {in, l.inside, was.Up, is.Up}} {
		if d.was == d.is {
			continue
		}
		change := d.index.Limit(d.is)
		change.Optional = d.is == 0 // the vassal may have removed it
		if err := d.n.Apply(change); err != nil {
			return err
		}
	}
	if was.Up == is.Up {
		return nil
	}
	return s.guards.limit(l.HostInterface, is.Up)
}

func (c *connecting) carrier(ctx context.Context) error { return c.arrival.await(ctx, c.out) }

// usable returns when the vassal takes packets to its addresses. The kernel answers the message that adds
// an address of IPv6 before its route is there, which a work queue adds (addrconf_dad_work of
// net/ipv6/addrconf.c); until then a packet to the address is lost, and its sender repeats it after a second.
func (c *connecting) usable(ctx context.Context) error {
	if missing, err := c.link.absent(c.in); err != nil || !missing.IsValid() {
		return err
	}
	if err := c.in.WatchRoutes(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, c.in.Close)()
	for {
		missing, err := c.link.absent(c.in)
		if err == nil && !missing.IsValid() {
			return nil
		}
		if err == nil {
			if err = c.in.RoutesChanged(); err == nil {
				continue
			}
		}
		if late := context.Cause(ctx); late != nil {
			return fmt.Errorf("it does not get its address %s: %w", missing, late)
		}
		return err
	}
}

// admit adds the vassal to the policy, and to the links that an emperor has.
func (c *connecting) admit(context.Context) error {
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	c.stage.Clients.succeed(c.link)
	c.stage.links[c.link.Vassal] = c.link
	return c.stage.repolicy(c.link)
}

// verify reads the result back: another program of the host may configure every new link. From then on
// the link is watched.
func (c *connecting) verify(context.Context) error {
	l := c.link
	if c.request.Lost != nil {
		c.stage.watch.follow(l.Index, &watched{report: c.request.Lost, examine: c.stage.examiner(l)})
	}
	for _, check := range []func() error{
		func() error { return l.hostFault(c.out, c.stage.id.Group()) },
		func() error { return l.insideFault(c.in) },
		func() error { return l.wayFault(c.in) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// nameOf returns the name of an interface of the host for a message.
func nameOf(index namespaces.Index) string {
	if index == 0 {
		return "no interface"
	}
	n, err := namespaces.OpenNetlink()
	if err == nil {
		defer n.Close()
		if l, err := n.Link(index); err == nil {
			return l.Name
		}
	}
	return "number " + strconv.Itoa(int(index))
}

// undo reverses the steps.
func (c *connecting) undo() error {
	l := c.link
	if l.Index == 0 && l.HostInterface != "" {
		l.Index = c.made()
	}
	return c.stage.dismantle(l)
}

// made finds the link after an answer of the kernel was lost. Zero: there is none.
func (c *connecting) made() namespaces.Index {
	n, err := c.stage.sockets.open()
	if err != nil {
		return 0
	}
	defer n.Close()
	if l, err := n.LinkNamed(c.link.HostInterface); err == nil && l.Group == c.stage.id.Group() && slices.Equal(l.MAC, c.link.hostMAC) {
		return l.Index
	}
	return 0
}
