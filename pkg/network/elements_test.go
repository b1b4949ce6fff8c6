package network

import (
	"net/netip"
	"testing"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Overlapping allowances become openings that do not overlap, and permit the same packets.
func TestOpenings(t *testing.T) {
	allowed := []Allowed{
		{From: prefixes("10.0.0.0/8"), Port: 80, Protocol: spec.TCP},
		{From: prefixes("10.0.0.0/8", "fd00::/8"), Port: 53, Protocol: spec.UDP},
		{From: prefixes("10.1.0.0/16")},
		{From: prefixes("10.1.2.3/32"), Port: 443, Protocol: spec.TCP}, // within the one before
		{From: prefixes("10.1.0.0/16")},
	}
	list := openings(true, allowed)
	for i, a := range list {
		if a.first > a.end || a.first&0xFFFF > a.end&0xFFFF {
			t.Errorf("%+v is no range", a)
		}
		for _, b := range list[:i] {
			if a.from.Overlaps(b.from) && a.first <= b.end && b.first <= a.end {
				t.Errorf("%+v overlaps %+v", a, b)
			}
		}
	}
	opens := func(from string, protocol, port uint32) bool {
		for _, o := range list {
			if o.from.Contains(netip.MustParseAddr(from)) && o.first>>16 <= protocol && protocol <= o.end>>16 && o.first&0xFFFF <= port && port <= o.end&0xFFFF {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		from           string
		protocol, port uint32
		want           bool
	}{
		{"10.9.9.9", 6, 80, true},
		{"10.9.9.9", 6, 81, false},
		{"10.9.9.9", 17, 53, true},
		{"10.9.9.9", 17, 80, false},
		{"10.9.9.9", 1, 0, false},
		{"10.1.9.9", 6, 80, true},
		{"10.1.9.9", 6, 79, true},
		{"10.1.9.9", 6, 81, true},
		{"10.1.9.9", 6, 65535, true},
		{"10.1.9.9", 17, 53, true},
		{"10.1.9.9", 17, 0, true},
		{"10.1.9.9", 1, 0, true},
		{"10.1.9.9", 255, 65535, true},
		{"10.1.9.9", 7, 3, true},
		{"10.1.2.3", 6, 443, true},
	} {
		if got := opens(c.from, c.protocol, c.port); got != c.want {
			t.Errorf("from %s, protocol %d, port %d: %v", c.from, c.protocol, c.port, got)
		}
	}
	if got := openings(false, allowed); len(got) != 1 || got[0].from != netip.MustParsePrefix("fd00::/8") {
		t.Errorf("IPv6: %+v", got)
	}
}
