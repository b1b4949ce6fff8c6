package control

import (
	"net/netip"
	"testing"

	"github.com/emperor-go/emperor/pkg/emperor"
)

func TestReached(t *testing.T) {
	for _, c := range []struct {
		own, bound string
		published  []string
		want       string
	}{
		{"10.142.3.7", ":8080", []string{"8001:8080"}, "10.142.3.7:8080, :8001->8080"},
		{"10.142.3.7", "", nil, "10.142.3.7"},
		{"10.142.3.7", "/run/shop.sock", nil, "10.142.3.7"},
		{"10.142.3.7", "127.0.0.1:80", nil, "127.0.0.1:80"},
		{"fd09::7", "[::]:8080", []string{"53/udp", "192.0.2.1:9000-9009:7000"}, "[fd09::7]:8080, :53->53/udp, 192.0.2.1:9000-9009->7000"},
		{"", ":8080", nil, ":8080"},
	} {
		v := Vassal{Record: emperor.Record{RecordedAddresses: emperor.RecordedAddresses{Address: c.bound}}}
		if c.own != "" {
			v.Network = &emperor.Attachment{Addresses: []netip.Addr{netip.MustParseAddr(c.own)}, Published: c.published}
		}
		if got := v.Reached(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// A brief error begins with the cause, when the path is the one of the vassal's own file.
func TestBrief(t *testing.T) {
	for given, want := range map[string]string{
		"/etc/vassals/a.ini:2: umask: no mask":     "line 2: umask: no mask",
		"/etc/vassals/a.ini: nothing to serve":     "nothing to serve",
		"/etc/vassals/b.ini:2: umask: no mask":     "/etc/vassals/b.ini:2: umask: no mask",
		"cannot read /etc/vassals/a.ini: is gone":  "cannot read /etc/vassals/a.ini: is gone",
		"/etc/other.ini:1: from /srv/a.ini:2: bad": "/etc/other.ini:1: from /srv/a.ini:2: bad",
		"": "",
	} {
		if got := (Vassal{Record: emperor.Record{Name: "a.ini"}, Error: given}).Brief().Error; got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}
