package spec

import "net/netip"

// AutoRanges returns the private ranges, IPv4 first, of which an automatic pool takes a part.
func AutoRanges() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.128.0.0/9"), netip.MustParsePrefix("fd00::/8")}
}
