package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Auditor compares the network of vassals with the kernel's links, routes and rules, for operators.
type Auditor struct{ *Stage }

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
func (s Auditor) Audit() (Report, error) {
	before := s.connections()
	links, err := complete(netlink.LinkList)
	if err != nil {
		return Report{}, fmt.Errorf("cannot list links: %w", err)
	}
	r := Report{ID: string(s.id), Table: s.id.Table(), Pool: s.Prefixes(), Problems: s.faults()}
	for _, l := range before {
		fault := s.fault(l)
		if !s.has(l) {
			continue // it has gone meanwhile
		}
		r.Links = append(r.Links, *l)
		if fault != nil {
			r.Problems = append(r.Problems, l.Vassal+": "+fault.Error())
		}
	}
	owned := func(index namespaces.Index) bool {
		is := func(l *Link) bool { return l.Index == index }
		return slices.ContainsFunc(before, is) || slices.ContainsFunc(s.connections(), is) || s.bridge != nil && s.bridge.index == index
	}
	for _, l := range links {
		if a := l.Attrs(); a.Group == s.id.Group() && !owned(namespaces.Index(a.Index)) {
			r.Stray = append(r.Stray, namespaces.Peer{Index: a.Index, Name: a.Name})
			r.Problems = append(r.Problems, fmt.Sprintf("link %s belongs to no vassal (%s; emperor net gc)", a.Name, a.Alias))
		}
	}
	return r, nil
}

// connections returns the connections that are complete, by name.
func (s *Stage) connections() []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.links), func(a, b *Link) int { return strings.Compare(a.Vassal, b.Vassal) })
}

func (s *Stage) has(l *Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links[l.Vassal] == l
}

// CollectStray deletes links of the emperor that no vassal has, and returns their names. dry: it
// deletes nothing.
func (s Auditor) CollectStray(dry bool) ([]string, error) {
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
