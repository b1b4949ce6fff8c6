package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// checkMode reports options that have no effect in the vassal's mode, so that none is ignored
// silently.
func (n Networking) checkMode(wish spec.Wish, given []networkSetting, problems *Problems) {
	add := func(name, what, hint string) {
		i := slices.IndexFunc(given, func(g networkSetting) bool { return g.Name == name })
		if i >= 0 {
			problems.Add(given[i].Origin, name, what, hint)
		}
	}
	asks := wish.DNS == spec.DNSNames || wish.DNS == spec.DNSForward
	if kind := wish.Mode.Kind; asks && (kind == spec.Macvlan || kind == spec.Ipvlan || kind == spec.CNI) {
		add("network-dns", "the emperor answers only vassals with a link of its own", "network-dns = auto, or network = routed")
	}
	switch mode := wish.Mode; mode.Kind {
	case spec.Macvlan, spec.Ipvlan:
		past := fmt.Sprintf("packets of a vassal with network = %s do not pass the host", mode)
		for _, name := range []string{"network-publish", "network-allow", "network-route"} {
			add(name, past, "network = routed")
		}
		if add("network-limit", past, "a limit at "+mode.Of+", or network = routed"); n.Limit != (spec.Rate{}) {
			problems.Add(modeOrigin(given), "network", past+": the emperor-network-limit cannot hold for it", "network = routed")
		}
		if mode.Kind == spec.Ipvlan {
			add("network-mac", "an ipvlan has the hardware address of "+mode.Of, "network = macvlan:"+mode.Of)
		}
	case spec.CNI:
		for _, name := range []string{"network-allow", "network-route", "network-mtu"} {
			add(name, fmt.Sprintf("the plugins of the CNI network %q decide that", mode.Of), "the configuration of that network, or network = routed")
		}
	case spec.Join:
		for _, g := range given {
			if g.Name != "network" {
				problems.Add(g.Origin, g.Name, fmt.Sprintf("the vassal has the network of %q", mode.Of), "the same line in the file of that vassal")
			}
		}
	case spec.Bridge:
		if mode.Of == "" && n.Bridge.Name == "" {
			problems.Add(modeOrigin(given), "network", "no bridge is given", "network = bridge:NAME, or emperor-network-bridge = NAME in the emperor's file")
		}
		add("network-route", "a vassal on a bridge has no routes of its own", "network = routed")
		if named := func(a spec.Allowance) bool { return a.Vassal != "" }; !n.Between && slices.ContainsFunc(wish.Allow, named) {
			add("network-allow", "vassals on a bridge are kept apart below their addresses", "network = routed, or emperor-network-between = allow")
		}
		if !n.ownAddresses(mode) && len(wish.Addresses) == 0 {
			for _, name := range []string{"network-publish", "network-allow"} {
				add(name, "the emperor does not know the address of the vassal", "network-address, or emperor-network-bridge = NAME PREFIX")
			}
		}
	}
}

// modeOrigin returns the line that sets the vassal's mode. Zero: the emperor's mode applies.
func modeOrigin(given []networkSetting) Origin {
	for _, g := range given {
		if g.Name == "network" {
			return g.Origin
		}
	}
	return Origin{}
}

// ownAddresses reports whether the emperor assigns addresses to vassals of a mode.
func (n Networking) ownAddresses(mode spec.Mode) bool {
	switch mode.Kind {
	case spec.Routed:
		return true
	case spec.Bridge:
		return n.Bridge.Prefixes != nil && (mode.Of == "" || mode.Of == n.Bridge.Name)
	}
	return false
}

// prefixes returns the prefixes of the addresses in a mode. Nil: they are unknown here.
func (n Networking) prefixes(mode spec.Mode) []netip.Prefix {
	switch {
	case mode.Kind == spec.Routed:
		return n.Pool
	case n.ownAddresses(mode):
		return n.Bridge.Prefixes
	}
	return nil
}
