package network

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// place lists the networks and settings of this host with which a stage does not open. Facts that cannot be read
// count as good ones: the start reports why.
func (n Needs) place(ipv6 bool) (list []Lack) {
	host, err := readHost()
	if err != nil {
		return nil
	}
	earlier, err := loadChanges(changesFile(n.Dir))
	if err != nil {
		return nil
	}
	host.inUse = slices.DeleteFunc(host.inUse, func(p netip.Prefix) bool {
		return slices.Contains(earlier.Addresses, p) || n.BridgeName != "" && host.by[p] == n.BridgeName
	})
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
