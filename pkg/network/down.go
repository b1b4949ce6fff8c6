package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Down takes a connection back, and returns when the link is gone. The vassal keeps its
// addresses until Forget. A second Down of the same link does nothing.
func (s *Stage) Down(l *Link) error {
	began := time.Now()
	if err := s.dismantle(l); err != nil {
		return fmt.Errorf("cannot disconnect it from the network: %w", err)
	}
	s.observe(WhatDown, began)
	return nil
}

// dismantle removes as much of a connection as there is. Parts that the kernel refuses to remove, also at the second
// try, are strays from then on (Auditor).
func (s *Stage) dismantle(l *Link) error {
	defer s.pass(l.Vassal)()
	if l.HostInterface != "" {
		defer s.pass(l.HostInterface)()
	}
	s.mu.Lock()
	complete := s.links[l.Vassal] == l
	if complete {
		delete(s.links, l.Vassal)
	}
	stays, err := s.Clients.keep(l, complete)
	failed := []error{err, s.repolicy(l)}
	l.elements = nil
	s.mu.Unlock()
	failed = append(failed, again(func() error { return s.guards.remove(l.HostInterface) }))
	if l.Index != 0 {
		s.watch.Unwatch(l.Index)
		link := []namespaces.Peer{{Index: int(l.Index), Name: l.HostInterface}}
		failed = append(failed, again(func() error { return s.sockets.sweep(link) }))
	}
	failed = append(failed, again(func() error { return s.leaveBridge(l) }), again(func() error { return s.unbear(l) }))
	for _, ns := range []*netns.NsHandle{&l.held, &l.netns} {
		if ns.IsOpen() {
			ns.Close()
		}
	}
	if !stays {
		s.ports.release(l.Vassal, nil)
	}
	return errors.Join(failed...)
}

// again calls f, and once more after an error: the kernel was busy, or its answer was lost. It does not matter
// whether the first call has had an effect.
func again(f func() error) error {
	if f() == nil {
		return nil
	}
	return f()
}

// Change takes over published ports, allowances and rates of a vassal that runs. Connections
// that exist continue. After an error the old ones are in effect. The handle stays the caller's.
func (s *Stage) Change(ctx context.Context, l *Link, wish spec.Wish, ns netns.NsHandle) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, errTimeout)
	defer cancel()
	if err := s.ports.hold(l.Vassal, wish.Publish); err != nil {
		return err
	}
	was, err := s.adopt(l, wish)
	if err == nil && was.Limit != wish.Limit {
		if err = s.relimit(ctx, l, was.Limit, wish.Limit, ns); err != nil {
			_, again := s.adopt(l, was)
			err = errors.Join(err, again)
		}
	}
	if err != nil {
		wish = was
	}
	s.ports.release(l.Vassal, wish.Publish)
	return err
}

// adopt changes the policy for a wish, and returns the former one. After an error it is
// unchanged.
func (s *Stage) adopt(l *Link, wish spec.Wish) (was spec.Wish, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was = l.wish
	l.wish.Publish, l.wish.Allow, l.wish.Limit = wish.Publish, wish.Allow, wish.Limit
	if err = s.update(l); err != nil {
		l.wish = was
		err = errors.Join(err, s.update(l))
	}
	return was, err
}

func (s *Stage) relimit(ctx context.Context, l *Link, was, is spec.Rate, ns netns.NsHandle) (err error) {
	out, back, err := s.sockets.turn(ctx)
	if err != nil {
		return err
	}
	defer func() { back(err != nil) }()
	in, err := s.sockets.enter(ns)
	if err != nil {
		return err
	}
	defer in.Close()
	if err = s.limit(out, in, l, was, is); err != nil {
		err = errors.Join(err, s.limit(out, in, l, is, was))
	}
	return err
}

// repolicy updates the policy of a vassal that was connected or disconnected, and the policies of
// vassals that allow it. The caller holds mu.
func (s *Stage) repolicy(l *Link) (err error) {
	if s.links[l.Vassal] == l {
		err = s.update(l)
	}
	for _, other := range s.links {
		if other != l && slices.ContainsFunc(other.wish.Allow, func(a spec.Allowance) bool { return a.MayName(l.Vassal) }) {
			err = errors.Join(err, s.update(other))
		}
	}
	return err
}

// update brings the elements of a vassal in line with its wish.
func (s *Stage) update(l *Link) error {
	allowed := s.resolve(l.wish.Allow)
	was, is := l.elements, elementsOf(l.Addresses, l.wish.Publish, allowed)
	if l.Index != 0 && l.bridge == 0 {
		is = append(is, spoofer(l.Index))
	}
	l.elements = is // also after an error: the next change removes them
	if err := s.table.Replace(was, is); err != nil {
		return err
	}
	if s.config.Admitted != nil {
		var from []netip.Prefix
		for _, a := range allowed {
			from = append(from, a.From...)
		}
		s.config.Admitted(l.Vassal, l.Addresses, from)
	}
	return nil
}

// resolve looks the vassals of allowances up. One that is not connected has no addresses: the
// allowance counts when it is.
func (s *Stage) resolve(list []spec.Allowance) (allowed []Allowed) {
	for _, a := range list {
		r := Allowed{Port: a.Port, Protocol: a.Protocol}
		if a.Vassal == "" {
			r.From = []netip.Prefix{a.Prefix}
		}
		if name, ok := vassalname.Resolve(a.Vassal, func(name string) bool { return s.links[name] != nil }); ok {
			for _, ip := range s.links[name].Addresses {
				r.From = append(r.From, netip.PrefixFrom(ip, ip.BitLen()))
			}
		}
		allowed = append(allowed, r)
	}
	return allowed
}

// forgetConnections removes the connections of addresses that another vassal had before: their
// packets are not for the new one.
func forgetConnections(addresses []netip.Addr) {
	for _, a := range addresses {
		family := netlink.InetFamily(unix.AF_INET)
		if a.Is6() {
			family = unix.AF_INET6
		}
		for _, part := range []netlink.ConntrackFilterType{netlink.ConntrackOrigSrcIP, netlink.ConntrackOrigDstIP, netlink.ConntrackReplySrcIP} {
			filter := &netlink.ConntrackFilter{}
			if filter.AddIP(part, a.AsSlice()) == nil {
				_, _ = netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, filter) // a kernel without it has none
			}
		}
	}
}
