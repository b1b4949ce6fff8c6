package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// strays are the parts of an emperor's network that belong to no vassal.
type strays struct {
	links  []netlink.LinkAttrs
	routes []netlink.Route
	// neighbours are addresses of vassals that are permanent on the bridge.
	neighbours []netip.Addr
	// elements were put into the policy for connections that are gone.
	elements []Element
	// tables are parts that other programs have added to the policy, and guards are chains of the other table, by link.
	tables, guards []string
	// leases are of vassals that the emperor does not have, and files are no leases.
	leases, files []string
}

// links and others name them, for operators.
func (x *strays) names() (links, others []string) {
	for _, l := range x.links {
		links = append(links, l.Name)
	}
	for _, r := range x.routes {
		others = append(others, routeName(r))
	}
	for _, a := range x.neighbours {
		others = append(others, "neighbour "+a.String())
	}
	for _, e := range x.elements {
		others = append(others, e.String())
	}
	others = append(others, x.tables...)
	for _, g := range x.guards {
		others = append(others, "guard of the link "+g)
	}
	for _, l := range x.leases {
		others = append(others, "lease of "+l)
	}
	for _, f := range x.files {
		others = append(others, "file "+f)
	}
	return links, others
}

// problems returns a line for each one, with the remedy.
func (x *strays) problems() (list []string) {
	const belongs = " belongs to no vassal (%semperor net gc)"
	for _, l := range x.links {
		note := l.Alias
		if note != "" {
			note += "; "
		}
		list = append(list, "link "+l.Name+fmt.Sprintf(belongs, note))
	}
	_, others := x.names()
	for _, name := range others {
		list = append(list, name+fmt.Sprintf(belongs, ""))
	}
	return list
}

// owners are the connections of vassals over a time.
type owners struct {
	// links are the host's ends, and passing the names of links that are made or removed meanwhile.
	links     map[namespaces.Index]string
	passing   map[string]bool
	routes    map[ownRoute]bool
	addresses map[netip.Addr]bool
}

// ownRoute is a destination that leads to a link.
type ownRoute struct {
	to   netip.Prefix
	link namespaces.Index
}

// add adds the owners of this moment.
func (o *owners) add(s *Stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.passing {
		o.passing[name] = true
	}
	for _, l := range s.links {
		if l.Index != 0 {
			o.links[l.Index] = l.HostInterface
		}
		for _, a := range l.Addresses {
			o.addresses[a] = true
		}
		for _, p := range l.prefixes() {
			o.routes[ownRoute{p.Masked(), l.Index}] = true
		}
	}
	if s.bridge == nil {
		return
	}
	o.links[s.bridge.index] = s.bridge.name
	if s.bridge.pool != nil {
		s.bridge.pool.addressesOf(o.passing, o.addresses)
	}
}

// has reports whether a link was of a vassal, or passing.
func (o *owners) has(index namespaces.Index, name string) bool {
	_, owned := o.links[index]
	return owned || o.passing[name]
}

// guards reports whether a guard is of such a link.
func (o *owners) guards(name string) bool {
	return o.passing[name] || slices.Contains(slices.Collect(maps.Values(o.links)), name)
}

// pass notes a name in passing, until end is called.
func (s *Stage) pass(name string) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passing[name]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.passing[name]--; s.passing[name] == 0 {
			delete(s.passing, name)
		}
	}
}

// strays compares the network with the connections, and the leases with the vassals of the emperor. Parts of
// connections that are made or removed at this moment are left out.
func (s Auditor) strays(vassals func() ([]string, error)) (x strays, err error) {
	own := &owners{map[namespaces.Index]string{}, map[string]bool{}, map[ownRoute]bool{}, map[netip.Addr]bool{}}
	own.add(s.Stage)
	// The lists come in an order in which no new vassal is taken for a stray: a vassal has its lease, and a link its
	// route, at the end.
	if x.leases, x.files, err = s.strayLeases(vassals); err != nil {
		return x, err
	}
	routes, err := markedRoutes()
	if err != nil {
		return x, err
	}
	links, err := complete(netlink.LinkList)
	if err != nil {
		return x, fmt.Errorf("cannot list links: %w", err)
	}
	neighbours, err := s.bridge.neighbours()
	if err != nil {
		return x, err
	}
	tables, guarded, err := s.foreign()
	if err != nil {
		return x, err
	}
	own.add(s.Stage)
	there, err := s.still()
	if err != nil {
		return x, err
	}
	names := map[int]string{}
	for _, l := range links {
		a := l.Attrs()
		names[a.Index] = a.Name
		if a.Group == s.id.Group() && !own.has(namespaces.Index(a.Index), a.Name) && there(a.Index) {
			x.links = append(x.links, *a)
		}
	}
	for _, r := range s.id.routes(routes, links, s.Prefixes()) {
		to := destination(r)
		refused := r.Type == unix.RTN_UNREACHABLE && slices.Contains(s.Prefixes(), to)
		if !refused && !own.passing[names[r.LinkIndex]] && !own.routes[ownRoute{to, namespaces.Index(r.LinkIndex)}] && there(r.LinkIndex) {
			x.routes = append(x.routes, r)
		}
	}
	x.neighbours = slices.DeleteFunc(neighbours, func(a netip.Addr) bool { return own.addresses[a] })
	x.tables = tables
	x.guards = slices.DeleteFunc(guarded, own.guards)
	x.elements = s.ownerless()
	return x, nil
}

// still returns a function that reports whether a link is there at this moment: one that vassals have had and have lost
// since the list of links is not.
func (s Auditor) still() (there func(index int) bool, err error) {
	links, err := complete(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	return func(index int) bool {
		return index == 0 || slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == index })
	}, nil
}

// foreign lists the parts that other programs have added to the policy, and the guards of links.
func (s Auditor) foreign() (tables, guarded []string, err error) {
	_, tables, err = s.table.compare()
	if err == nil {
		guarded, err = s.guards.list()
	}
	return tables, guarded, err
}

// ownerless lists the elements of the policy that no connection has, and no vassal whose clients wait.
func (s Auditor) ownerless() []Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	var owned []Element
	for _, l := range s.links {
		owned = append(owned, l.elements...)
	}
	for _, h := range s.Clients.held {
		owned = append(append(owned, h.published...), h.waiting...)
	}
	for _, ended := range s.Clients.ended {
		owned = append(owned, ended...)
	}
	return s.table.others(owned)
}

// pools lists the pools of the stage.
func (s *Stage) pools() (list []*Pool) {
	if s.pool != nil {
		list = append(list, s.pool)
	}
	if s.bridge != nil && s.bridge.pool != nil {
		list = append(list, s.bridge.pool)
	}
	return list
}

// strayLeases lists the vassals that have addresses and that the emperor does not have, and files of the pools that
// are no leases.
func (s Auditor) strayLeases(vassals func() ([]string, error)) (leases, files []string, err error) {
	for _, p := range s.pools() {
		leases = append(leases, p.holders()...)
		more, err := p.otherFiles()
		if err != nil {
			return nil, nil, err
		}
		files = append(files, more...)
	}
	names, err := vassals()
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(leases)
	return slices.DeleteFunc(slices.Compact(leases), func(name string) bool { return slices.Contains(names, name) || !s.idle(name) }), files, nil
}

// idle reports whether a vassal has no connection and gets none now.
func (s Auditor) idle(vassal string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passing[vassal] == 0 && s.links[vassal] == nil
}

// remove removes strays.
func (s Auditor) remove(x strays) error {
	var peers []namespaces.Peer
	for _, l := range x.links {
		peers = append(peers, namespaces.Peer{Index: l.Index, Name: l.Name})
	}
	var failed []error
	if len(peers) > 0 {
		failed = append(failed, s.sockets.sweep(peers))
	}
	if len(x.neighbours) > 0 {
		failed = append(failed, s.bridge.forget(s.sockets.open, x.neighbours))
	}
	failed = append(failed, deleteRoutes(x.routes), s.table.Replace(x.elements, nil))
	if len(x.tables) > 0 {
		failed = append(failed, s.table.renew())
	}
	for _, name := range x.guards {
		failed = append(failed, s.guards.discard(name))
	}
	for _, name := range x.leases {
		if s.idle(name) {
			s.Forget(name)
		}
	}
	for _, file := range x.files {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// markedRoutes lists the routes with the protocol of emperors.
func markedRoutes() (list []netlink.Route, err error) {
	filter := &netlink.Route{Protocol: RouteProtocol}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := complete(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL)
		})
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list routes: %w", err)
		}
		list = append(list, routes...)
	}
	return list, nil
}

// routes returns the marked routes of an emperor: by its links, or to addresses of its pool. Other ones belong to other
// emperors. A route by a link that has gone since has gone as well.
func (id ID) routes(marked []netlink.Route, links []netlink.Link, pool []netip.Prefix) (list []netlink.Route) {
	for _, r := range marked {
		i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == r.LinkIndex })
		if i >= 0 && links[i].Attrs().Group == id.Group() || (i >= 0 || r.LinkIndex == 0) && partOf(destination(r), pool) {
			list = append(list, r)
		}
	}
	return list
}

// destination returns the prefix of a route.
func destination(r netlink.Route) netip.Prefix {
	if r.Dst != nil {
		if p, err := netip.ParsePrefix(r.Dst.String()); err == nil {
			return p.Masked()
		}
	}
	if r.Family == unix.AF_INET6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// partOf reports whether a prefix is a part of one of a pool.
func partOf(p netip.Prefix, pool []netip.Prefix) bool {
	return slices.ContainsFunc(pool, func(q netip.Prefix) bool { return q.Overlaps(p) && q.Bits() <= p.Bits() })
}

func routeName(r netlink.Route) string { return "route to " + destination(r).String() }

// deleteRoutes deletes routes. A route that has gone meanwhile is no error.
func deleteRoutes(routes []netlink.Route) error {
	var failed []error
	for _, r := range routes {
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			failed = append(failed, fmt.Errorf("cannot delete the route to %s: %w", destination(r), err))
		}
	}
	return errors.Join(failed...)
}
