package network

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Unheard returns a line for each port of a vassal that clients are led to and that no program of it
// serves, with the remedy. The most common reason is a server that listens on 127.0.0.1. Ports of a
// range may have no server.
func Unheard(vassal string, published []spec.Publication, allowed []spec.Allowance, at []namespaces.Listener) (why []string) {
	for _, p := range published {
		if p.First == p.Last {
			why = append(why, unheard(vassal, p.To, p.Protocol, fmt.Sprintf("port %s of the host leads to it", p.Ports), at)...)
		}
	}
	for _, a := range allowed {
		led := slices.ContainsFunc(published, func(p spec.Publication) bool { return p.To == a.Port && p.Protocol == a.Protocol })
		if a.Port != 0 && a.Protocol != "" && !led {
			why = append(why, unheard(vassal, a.Port, a.Protocol, "network-allow = "+a.String()+" is about it", at)...)
		}
	}
	return why
}

// unheard returns why clients get no answer at a port of the vassal.
func unheard(vassal string, port uint16, protocol spec.Protocol, led string, at []namespaces.Listener) []string {
	var own []netip.AddrPort // listeners at loopback addresses
	for _, l := range at {
		switch {
		case l.At.Port() != port || l.UDP != (protocol == spec.UDP):
		case !l.At.Addr().IsLoopback():
			return nil
		default:
			own = append(own, l.At)
		}
	}
	if len(own) > 0 {
		return []string{fmt.Sprintf("its program listens on %s only, which other hosts do not reach, and %s (let it listen on 0.0.0.0:%d or "+
			"[::]:%[3]d)", own[0], led, port)}
	}
	return []string{fmt.Sprintf("no program in it listens on port %d/%s, and %s (start the server there, or correct the port; emperor enter %s "+
		"-- ss -ln lists its sockets)", port, protocol, led, vassal)}
}

// Loopback returns a line if all servers of a vassal listen on loopback addresses: no client outside
// reaches them. It may be meant so.
func Loopback(at []namespaces.Listener) []string {
	servers := slices.DeleteFunc(slices.Clone(at), func(l namespaces.Listener) bool { return l.UDP })
	if len(servers) == 0 || slices.ContainsFunc(servers, func(l namespaces.Listener) bool { return !l.At.Addr().IsLoopback() }) {
		return nil
	}
	l := servers[0].At
	return []string{fmt.Sprintf("its program listens on %s only, which no other host reaches (let it listen on 0.0.0.0:%d or [::]:%[2]d)", l, l.Port())}
}
