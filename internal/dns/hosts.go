package dns

import (
	"net/netip"
	"strings"
)

// HostsFile is the file of host names (hosts(5)).
const HostsFile = "/etc/hosts"

// Hosts returns the text of a vassal's file of host names: its own names and the host's, which
// come first and thereby count, and the lines of the host's file that are not about a loopback
// address. Names of other vassals are not in it, because they change while the vassal runs.
func Hosts(host, vassal string, addresses, gateways []netip.Addr) string {
	var b strings.Builder
	b.WriteString("# Made by emperor for this vassal.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	line := func(a netip.Addr, names []string) {
		b.WriteString(a.String())
		sep := "\t"
		for _, n := range names {
			b.WriteString(sep + n + "." + Zone)
			sep = " "
		}
		b.WriteString("\n")
	}
	for _, a := range addresses {
		if names := NamesOf(vassal); len(names) > 0 {
			line(a, names)
		}
	}
	for _, a := range gateways {
		line(a, []string{HostLabel})
	}
	for text := range strings.Lines(host) {
		text = strings.TrimRight(text, "\n")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		if a, err := netip.ParseAddr(words[0]); err == nil && !a.Unmap().IsLoopback() {
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}
