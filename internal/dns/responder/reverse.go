package responder

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// reversed returns the address of a name under in-addr.arpa or ip6.arpa, which has the parts of
// the address in the reverse order (RFC 1035, section 3.5, and RFC 3596, section 2.5).
func reversed(name string) (netip.Addr, bool) {
	if parts, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		labels := strings.Split(parts, ".")
		slices.Reverse(labels)
		a, err := netip.ParseAddr(strings.Join(labels, "."))
		return a, err == nil && a.Is4()
	}
	parts, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if !ok {
		return netip.Addr{}, false
	}
	labels := strings.Split(parts, ".")
	if len(labels) != 32 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i, label := range labels {
		digit, err := strconv.ParseUint(label, 16, 4)
		if err != nil || len(label) != 1 {
			return netip.Addr{}, false
		}
		at := 31 - i
		b[at/2] |= byte(digit) << (4 * (1 - at%2))
	}
	return netip.AddrFrom16(b), true
}
