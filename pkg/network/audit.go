package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Report is the network of all vassals, compared with the kernel's.
type Report struct {
	// ID marks everything of this emperor, and Table is its table of nftables.
	ID, Table string
	Pool      []netip.Prefix
	// Links are the connections of vassals, by name.
	Links []Link
	// Stray are links of the emperor that no vassal has.
	Stray []namespaces.Peer
	// Problems are all differences, in words. Empty: there are none.
	Problems []string
}

// Audit compares the connections of vassals with the links, routes and rules of the kernel. The
// result of a listing that changes interrupt is not complete and is repeated. Links that are
// made or removed at this moment are left out.
func (s *Stage) Audit() (Report, error) {
	before := s.indexes()
	links, err := complete(netlink.LinkList)
	if err != nil {
		return Report{}, fmt.Errorf("cannot list links: %w", err)
	}
	r := Report{ID: string(s.id), Table: s.id.Table(), Pool: s.Prefixes()}
	found := map[namespaces.Index]*netlink.LinkAttrs{}
	for _, l := range links {
		if a := l.Attrs(); a.Group == s.id.Group() {
			found[namespaces.Index(a.Index)] = a
		}
	}
	routes, err := ownRoutes()
	if err != nil {
		return Report{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.links)) {
		l := s.links[name]
		if !before[l.Index] {
			continue
		}
		r.Links = append(r.Links, *l)
		r.Problems = append(r.Problems, differences(l, found[l.Index], routes)...)
		delete(found, l.Index)
	}
	for index, a := range found {
		if before[index] || s.has(index) || s.bridge != nil && s.bridge.index == index {
			continue // it comes or goes, or is for all
		}
		r.Stray = append(r.Stray, namespaces.Peer{Index: int(index), Name: a.Name})
		r.Problems = append(r.Problems, fmt.Sprintf("link %s belongs to no vassal (%s; emperor net gc)", a.Name, a.Alias))
	}
	if !s.table.Whole() {
		r.Problems = append(r.Problems, fmt.Sprintf("the table %s of nftables is not complete", s.id.Table()))
	}
	return r, nil
}

// indexes returns the links that are complete.
func (s *Stage) indexes() map[namespaces.Index]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[namespaces.Index]bool{}
	for _, l := range s.links {
		all[l.Index] = true
	}
	return all
}

func (s *Stage) has(index namespaces.Index) bool {
	for _, l := range s.links {
		if l.Index == index {
			return true
		}
	}
	return false
}

// ownRoutes lists the routes of emperors: destination and interface.
func ownRoutes() (map[string]namespaces.Index, error) {
	all := map[string]namespaces.Index{}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := complete(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, &netlink.Route{Protocol: RouteProtocol}, netlink.RT_FILTER_PROTOCOL)
		})
		if err != nil {
			return nil, fmt.Errorf("cannot list routes: %w", err)
		}
		for _, route := range routes {
			if route.Dst != nil {
				all[route.Dst.String()] = namespaces.Index(route.LinkIndex)
			}
		}
	}
	return all, nil
}

// differences compares one connection with the kernel's. attrs is nil without a link.
func differences(l *Link, attrs *netlink.LinkAttrs, routes map[string]namespaces.Index) (list []string) {
	add := func(format string, args ...any) { list = append(list, l.Vassal+": "+fmt.Sprintf(format, args...)) }
	if attrs == nil {
		add("its link %s is gone", l.HostInterface)
		return list
	}
	if attrs.OperState != netlink.OperUp {
		add("its link %s is %s", l.HostInterface, attrs.OperState)
	}
	switch {
	case l.bridge != 0 && attrs.MasterIndex != int(l.bridge):
		add("its link %s is not in the bridge any more", l.HostInterface)
	case l.bridge == 0 && attrs.MasterIndex != 0:
		add("its link %s is in a bridge or bond", l.HostInterface)
	}
	if l.bridge != 0 {
		return list
	}
	for _, a := range l.Addresses {
		to := netip.PrefixFrom(a, a.BitLen()).String()
		switch via, there := routes[to]; {
		case !there:
			add("there is no route to %s", a)
		case via != l.Index:
			add("the route to %s leads to another link", a)
		}
	}
	return list
}

// CollectStray deletes links of the emperor that no vassal has, and returns their names. dry: it
// deletes nothing.
func (s *Stage) CollectStray(dry bool) ([]string, error) {
	r, err := s.Audit()
	if err != nil || len(r.Stray) == 0 {
		return nil, err
	}
	var names []string
	for _, p := range r.Stray {
		names = append(names, p.Name)
	}
	if dry {
		return names, nil
	}
	if err := s.config.Sweeper.Delete(r.Stray); err != nil {
		return nil, fmt.Errorf("cannot delete %s: %w", strings.Join(names, ", "), err)
	}
	return names, nil
}

// Stats are counts for metrics.
type Stats struct {
	// Links are the connections now, and Restored how often the policy was set again after
	// another program had deleted it.
	Links, Restored int
	// Spoofed is the number of packets with forged sources since the policy was last set.
	Spoofed uint64
}

// Stats returns counts for metrics. A policy that cannot be read has counted nothing.
func (s *Stage) Stats() Stats {
	s.mu.Lock()
	n := Stats{Links: len(s.links), Restored: s.restored}
	s.mu.Unlock()
	n.Spoofed, _ = s.table.Spoofed()
	n.Spoofed += s.guards.spoofedBy("")
	return n
}

// Spoofed returns the number of packets with forged sources that a vassal has sent since the policy
// was last set.
func (s *Stage) Spoofed(vassal string) uint64 {
	s.mu.Lock()
	l := s.links[vassal]
	s.mu.Unlock()
	if l == nil {
		return 0
	}
	n, _ := s.table.SpoofedBy(l.Index)
	return n + s.guards.spoofedBy(l.HostInterface)
}
