package network

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Automatic returns the private prefixes that a stage in n.Dir takes for vassals on this host, if the options name none. Kept: an
// emperor has chosen them. It changes nothing.
func Automatic(n Needs) (prefixes []netip.Prefix, kept bool, err error) {
	host, _, err := n.host()
	if err != nil {
		return nil, false, err
	}
	return automaticPool(n.Dir, host)
}

// host reads the host, without the parts of an emperor that runs or was killed, and the changes of that one.
func (n Needs) host() (host hostFacts, earlier *changes, err error) {
	if host, err = readHost(); err != nil {
		return host, nil, err
	}
	if earlier, err = loadChanges(changesFile(n.Dir)); err != nil {
		return host, nil, err
	}
	gateways := slices.Clone(earlier.Addresses)
	found, ends, err := findLost()
	for _, there := range ends {
		there.end()
	}
	for _, pool := range found {
		for _, p := range pool {
			gateways = append(gateways, gatewayOf(p))
		}
	}
	host.inUse = slices.DeleteFunc(host.inUse, func(p netip.Prefix) bool {
		return slices.Contains(gateways, p) || n.BridgeName != "" && host.by[p] == n.BridgeName
	})
	return host, earlier, err
}

// place lists the networks and settings of this host with which a stage does not open. Facts that cannot be read
// count as good ones: the start reports why.
func (n Needs) place(ipv6 bool) (list []Lack) {
	host, earlier, err := n.host()
	if err != nil {
		return nil
	}
	add := func(err error) {
		if lack := (Lack{}); errors.As(err, &lack) {
			list = append(list, lack)
		}
	}
	add(conflict(n.Pool, host.inUse))
	if _, err := net.InterfaceByName(n.BridgeName); err != nil { // a bridge that is there keeps its own addresses
		add(conflictOfBridge(n.Bridge, slices.Concat(n.Pool, host.inUse)))
	}
	if n.CheckForwarding {
		pool := n.Pool
		if pool == nil {
			pool = spec.AutoRanges()
		}
		var families []netip.Addr
		for _, p := range pool {
			if p.Addr().Is4() || ipv6 {
				families = append(families, p.Addr())
			}
		}
		f := forwarder{changes: earlier, check: true, restored: true, log: slog.New(slog.DiscardHandler)}
		f.all(families, host.chosen(n.Uplinks))
		add(f.lack())
	}
	return list
}
