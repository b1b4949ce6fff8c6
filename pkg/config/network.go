package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// checkNetwork finds mistakes in the emperor's options of the network.
func (e *Emperor) checkNetwork(problems *Problems) {
	if e.Unsure("emperor-network") || e.Unsure("emperor-use-clone") {
		return
	}
	n := e.Network
	switch connects := n.Mode.Kind != "" && n.Mode.Kind != spec.None; {
	case connects && !e.Clone.Has(namespaces.NewNet):
		problems.Add(e.Origin("emperor-network"), "emperor-network", "vassals have no network of their own", "net in emperor-use-clone")
	case n.Mode.Kind == spec.Join:
		problems.Add(e.Origin("emperor-network"), "emperor-network", "not all vassals can have the network of another one",
			"network = "+n.Mode.String()+" in the file of each vassal, and another mode here")
	case n.Mode == spec.Mode{Kind: spec.Bridge} && n.Bridge.Name == "":
		problems.Add(e.Origin("emperor-network"), "emperor-network", "no bridge is given", "emperor-network-bridge = NAME PREFIX")
	case n.Mode.Kind == "":
		for _, s := range emperorOptions.settings(e.entries, false) {
			if strings.HasPrefix(s.Name, "emperor-network-") {
				problems.Add(s.Origin, s.Name, "there is no built-in network", "emperor-network = routed, or none where only some vassals choose it")
				return
			}
		}
	}
}

// Connection returns the network of a vassal under the emperor's options. tenant: the vassal's
// own file belongs to a tenant, who may choose only permitted values. An error is of type
// Problems: mistakes of the file.
func (n Networking) Connection(v *Vassal, tenant bool) (spec.Wish, error) {
	var problems Problems
	wish := v.Network
	if wish.Mode.Kind == "" {
		wish.Mode = n.Mode
	}
	if v.Namespaces.Elsewhere() != "" {
		return spec.Wish{}, nil // Shared finds options beside it
	}
	if wish.Limit == (spec.Rate{}) {
		wish.Limit = n.Limit
	}
	given := networkSettings(v)
	if n.Mode.Kind == "" {
		for _, g := range given {
			if g.Name != "network" || wish.Connects() {
				problems.Add(g.Origin, g.Name, "the emperor has no built-in network", "emperor-network = routed in its file, or none where only some vassals are connected")
				break
			}
		}
		return spec.Wish{RestartLost: wish.RestartLost}, problems.Err()
	}
	if tenant {
		n.judge(v, given, &problems)
	}
	if !wish.Connects() {
		for _, g := range given {
			if g.Name != "network" {
				problems.Add(g.Origin, g.Name, "the vassal is not connected: its network is none", "network = routed")
				break
			}
		}
		return spec.Wish{RestartLost: wish.RestartLost}, problems.Err()
	}
	n.checkMode(wish, given, &problems)
	n.checkAddresses(v, wish.Mode, &problems)
	if err := problems.Err(); err != nil {
		return spec.Wish{}, err
	}
	return wish, nil
}

// Live reports whether the emperor changes published ports, allowances and limits while the vassal
// runs: plugins of others know no changes.
func (n Networking) Live(v *Vassal) bool {
	if v.Network.Mode.Kind == "" {
		return n.Mode.Kind != spec.CNI
	}
	return v.Network.Mode.Kind != spec.CNI
}

// networkSetting is a network option in a vassal's configuration.
type networkSetting struct {
	Setting
	shared bool // the line is the operator's and applies to several vassals
}

// networkSettings returns the options of the built-in network that were given. network-lost is none:
// it also applies to links of hooks.
func networkSettings(v *Vassal) (list []networkSetting) {
	for _, e := range v.entries {
		if o := vassalNetworkOptions.Find(e.Key); o != nil && !e.Handled && o.Name != "network-lost" {
			list = append(list, networkSetting{Setting{Name: o.Name, Value: e.Value, Origin: e.Origin}, e.Shared})
		}
	}
	return list
}

// judge finds values that a tenant's file may not contain. The operator's templates may contain
// every value.
func (n Networking) judge(v *Vassal, given []networkSetting, problems *Problems) {
	for _, g := range given {
		if g.shared {
			continue
		}
		switch g.Name {
		case "network":
			n.judgeMode(g, problems)
		case "network-address", "network-mac", "network-route":
			problems.Add(g.Origin, g.Name, "not permitted in a tenant's own file", "permitted in the operator's templates")
		case "network-publish":
			n.judgePort(g, problems)
		case "network-limit":
			if !v.Network.Limit.Within(n.Limit) {
				problems.Add(g.Origin, g.Name, fmt.Sprintf("%s is more than the emperor permits", g.Value), "at most "+n.Limit.String())
			}
		case "network-mtu":
			if most := cmp.Or(n.MTU, tenantMTU); v.Network.MTU > most {
				problems.Add(g.Origin, g.Name, fmt.Sprintf("%s is more than the emperor permits", g.Value), fmt.Sprintf("at most %d", most))
			}
		}
	}
}

// tenantMTU is the largest MTU of a tenant's links where the operator sets none: the MTU of Ethernet.
const tenantMTU = 1500

func (n Networking) judgeMode(g networkSetting, problems *Problems) {
	mode, err := spec.ParseMode(g.Value)
	permitted := n.Modes
	if permitted == nil {
		permitted = []spec.Mode{n.Mode}
	}
	if err != nil || slices.ContainsFunc(permitted, func(m spec.Mode) bool { return m.Permits(mode) }) {
		return
	}
	var names []string
	for _, m := range permitted {
		names = append(names, m.String())
	}
	problems.Add(g.Origin, g.Name, fmt.Sprintf("a tenant's own file may not choose %s", mode), "here: "+strings.Join(names, ", ")+" (emperor-network-modes)")
}

func (n Networking) judgePort(g networkSetting, problems *Problems) {
	p, err := spec.ParsePublication(g.Value)
	if err != nil || slices.ContainsFunc(n.Publish, func(q spec.Ports) bool { return q.Contains(p.Ports) }) {
		return
	}
	hint := "the operator permits ports with emperor-network-publish"
	if len(n.Publish) > 0 {
		var ranges []string
		for _, q := range n.Publish {
			ranges = append(ranges, q.String())
		}
		hint = "here: " + strings.Join(ranges, ", ") + " (emperor-network-publish)"
	}
	problems.Add(g.Origin, g.Name, fmt.Sprintf("a tenant's own file may not publish port %s", p.Ports), hint)
}

// checkAddresses finds addresses that no packet would reach. The automatic pool is unknown here, but for the ranges that
// contain it.
func (n Networking) checkAddresses(v *Vassal, mode spec.Mode, problems *Problems) {
	pool := n.prefixes(mode)
	for _, a := range v.Network.Addresses {
		leads := func(p netip.Prefix) bool { return p.Contains(a) }
		origin := v.OriginOf("network-address", a.String())
		i := slices.IndexFunc(pool, leads)
		switch {
		case slices.ContainsFunc(v.Network.Routes, leads):
		case pool == nil:
			if mode.Kind == spec.Routed && !slices.ContainsFunc(spec.AutoRanges(), leads) {
				problems.Add(origin, "network-address", fmt.Sprintf("%s is outside of the automatic pool", a),
					"emperor-network-pool = a prefix with it in the emperor's file, or network-route")
			}
		case i < 0:
			problems.Add(origin, "network-address", fmt.Sprintf("%s is outside of the pool", a), "network-route = a prefix with it, or emperor-network-pool")
		case a == pool[i].Addr() || a == pool[i].Addr().Next():
			problems.Add(origin, "network-address", fmt.Sprintf("%s is the gateway's or the network's", a), "another address of "+pool[i].String())
		}
	}
}
