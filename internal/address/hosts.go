package address

import (
	"net/netip"
	"os"
	"slices"
	"strings"
)

// hostsFile has the names of hosts that this machine knows without a name server (hosts(5)).
const hostsFile = "/etc/hosts"

// inHosts returns the address of a name in a text like hostsFile: the first IPv4
// address, as gethostbyname(3) does, or else the first address.
func inHosts(text, name string) (found netip.Addr, ok bool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 || !slices.ContainsFunc(words[1:], func(w string) bool { return strings.EqualFold(w, name) }) {
			continue
		}
		ip, err := netip.ParseAddr(words[0])
		switch {
		case err != nil:
		case ip.Is4():
			return ip, true
		case !ok:
			found, ok = ip, true
		}
	}
	return found, ok
}

// known returns the address of a name in hostsFile.
func known(name string) (netip.Addr, bool) {
	text, err := os.ReadFile(hostsFile)
	if err != nil {
		return netip.Addr{}, false
	}
	return inHosts(string(text), name)
}
