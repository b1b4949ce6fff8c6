package cli

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/dns"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/network"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// networks checks that this host has all that the networks of vassals need. Only root can try that.
func (k *checker) networks() {
	if os.Geteuid() != 0 {
		return
	}
	for _, e := range k.own {
		if e.Network.Mode.Kind == "" || e.Unsure("emperor-network") || e.Unsure("emperor-network-pool") {
			continue
		}
		needs := k.needs(e)
		for _, lack := range network.Examine(needs) {
			k.lacks(e, lack)
		}
		if e.Network.Pool == nil {
			k.outside(e, needs)
		}
	}
}

// outside finds addresses of vassals outside of the automatic pool, which depends on the host. Before an emperor has chosen it, the
// files may be for another host.
func (k *checker) outside(e *config.Emperor, needs network.Needs) {
	pool, kept, err := network.Automatic(needs)
	if err != nil {
		return // the start reports why
	}
	severity := inspect.Warning
	if kept {
		severity = inspect.Error
	}
	for _, s := range k.vassals {
		wish := s.Vassal.Network
		if s.Emperor != e || cmp.Or(wish.Mode.Kind, e.Network.Mode.Kind) != spec.Routed {
			continue
		}
		for _, a := range wish.Addresses {
			leads := func(p netip.Prefix) bool { return p.Contains(a) }
			if slices.ContainsFunc(pool, leads) || slices.ContainsFunc(wish.Routes, leads) || !slices.ContainsFunc(spec.AutoRanges(), leads) {
				continue // addresses outside of these ranges are mistakes of the file already
			}
			k.found = append(k.found, inspect.Finding{Check: "network-address-outside", Severity: severity, Problem: config.Problem{
				Origin: s.Vassal.OriginOf("network-address", a.String()), Key: "network-address",
				What: fmt.Sprintf("%s is outside of the automatic pool of this host, %s", a, pool),
				Hint: "emperor-network-pool = a prefix with it in the emperor's file, or network-route",
			}})
		}
	}
}

// needs returns the needs of an emperor and of the vassals that were checked under it.
func (k *checker) needs(e *config.Emperor) network.Needs {
	o := e.Network
	n := network.Needs{
		Kinds: []spec.Kind{o.Mode.Kind}, Pool: o.Pool, Bridge: o.Bridge.Prefixes, BridgeName: o.Bridge.Name, ToHost: o.ToHost.All || len(o.ToHost.Ports) > 0,
		Dir: filepath.Join(cmp.Or(e.RuntimeDir, OwnRuntimeDir()), control.NetworkName), Uplinks: o.Uplinks, CheckForwarding: o.CheckForwarding,
	}
	for _, m := range o.Modes {
		n.Kinds = append(n.Kinds, m.Kind)
	}
	asked := []spec.DNS{o.DNS}
	for _, s := range k.vassals {
		if s.Emperor == e {
			n.Kinds = append(n.Kinds, s.Vassal.Network.Mode.Kind)
			asked = append(asked, s.Vassal.Network.DNS)
		}
	}
	slices.Sort(n.Kinds)
	n.Kinds = slices.DeleteFunc(slices.Compact(n.Kinds), func(kind spec.Kind) bool { return kind == "" })
	own, _ := network.HostAddresses() // without them a nameserver of the host counts as one that vassals reach
	n.Answers = slices.ContainsFunc(asked, func(m spec.DNS) bool {
		if m == "" {
			m = o.DNS
		}
		return dns.Answers(m, own)
	})
	return n
}

// lacks records a missing part of the host: at the emperor's option, or at each vassal that needs it.
func (k *checker) lacks(e *config.Emperor, lack network.Lack) {
	found := func(severity inspect.Severity, origin config.Origin, key string) {
		k.found = append(k.found, inspect.Finding{
			Check: "network-of-the-host", Severity: severity,
			Problem: config.Problem{Origin: origin, Key: key, What: lack.What, Hint: lack.Hint},
		})
	}
	origin := e.Origin(lack.Key)
	if origin == (config.Origin{}) { // its default
		origin = e.Origin("emperor-network")
	}
	switch {
	case lack.Partial:
		found(inspect.Warning, origin, lack.Key)
	case lack.Kind == "", lack.Kind == e.Network.Mode.Kind:
		found(inspect.Error, origin, lack.Key)
	case slices.ContainsFunc(e.Network.Modes, func(m spec.Mode) bool { return m.Kind == lack.Kind }):
		found(inspect.Warning, e.Origin("emperor-network-modes"), "emperor-network-modes")
	}
	for _, s := range k.vassals {
		if m := s.Vassal.Network.Mode; s.Emperor == e && lack.Kind != "" && m.Kind == lack.Kind {
			found(inspect.Error, s.Vassal.OriginOf("network", m.String()), "network")
		}
	}
}
