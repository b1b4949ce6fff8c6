package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
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
	// Problems are all differences, in words. Empty: there are none.
	Problems []string
}

// Audit compares the connections of vassals with the links, routes and rules of the kernel, and the leases of addresses
// with the emperor's vassals. vassals lists these at the moment of its call. A listing that a change interrupts is
// repeated, and connections that are made or removed at this moment are left out.
func (s Auditor) Audit(vassals func() ([]string, error)) (Report, error) {
	r := Report{ID: string(s.id), Table: s.id.Table(), Pool: s.Prefixes(), Problems: s.faults()}
	for _, l := range s.connections() {
		fault := s.fault(l)
		if !s.has(l) {
			continue // it has gone meanwhile
		}
		r.Links = append(r.Links, *l)
		if fault != nil {
			r.Problems = append(r.Problems, l.Vassal+": "+fault.Error())
		}
	}
	x, err := s.strays(vassals)
	if err != nil {
		return Report{}, err
	}
	r.Problems = append(r.Problems, x.problems()...)
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

// CollectStray deletes links of the emperor that no vassal has, and routes, parts of the policy and leases (others). It
// returns their names. vassals is as for Audit. dry: it deletes nothing.
func (s Auditor) CollectStray(vassals func() ([]string, error), dry bool) (links, others []string, err error) {
	x, err := s.strays(vassals)
	if err != nil {
		return nil, nil, err
	}
	if !dry {
		err = s.remove(x)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot delete all that belongs to no vassal: %w", err)
	}
	links, others = x.names()
	return links, others, nil
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
	n := Stats{Links: len(s.links), Restored: s.seen.restored}
	s.mu.Unlock()
	n.Spoofed, _ = s.table.Spoofed()
	n.Spoofed += s.guards.spoofedBy("")
	return n
}

// Spoofed returns the number of packets with forged sources that a vassal has sent since the policy
// was last set. Nil: it has no link on the host, and they are not counted.
func (s Auditor) Spoofed(vassal string) *uint64 {
	s.mu.Lock()
	l := s.links[vassal]
	s.mu.Unlock()
	if l == nil || l.Index == 0 {
		return nil
	}
	n, _ := s.table.SpoofedBy(l.Index)
	n += s.guards.spoofedBy(l.HostInterface)
	return &n
}

// Group returns the group of a connection's link on the host (ip-link(8)). Zero: there is no such link.
func (s Auditor) Group(l *Link) uint32 {
	if l.Index == 0 {
		return 0
	}
	return s.id.Group()
}
