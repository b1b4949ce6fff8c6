package dns

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

func addresses(list ...string) (found []netip.Addr) {
	for _, a := range list {
		found = append(found, netip.MustParseAddr(a))
	}
	return found
}

func TestParseResolver(t *testing.T) {
	r := ParseResolver("# a comment\nnameserver 192.0.2.53\n nameserver\tfe80::1%eth0\nnameserver nonsense\nnameserver\n" +
		"domain a.example b.example\nsearch c.example d.example\noptions ndots:2 trust-ad\noptions timeout:1\nnameserver ::ffff:192.0.2.54")
	if want := addresses("192.0.2.53", "fe80::1%eth0", "192.0.2.54"); !slices.Equal(r.Servers, want) {
		t.Errorf("servers are %v, want %v", r.Servers, want)
	}
	if want := []string{"c.example", "d.example"}; !slices.Equal(r.Search, want) {
		t.Errorf("search list is %q, want %q", r.Search, want)
	}
	if want := []string{"ndots:2", "trust-ad", "timeout:1"}; !slices.Equal(r.Options, want) {
		t.Errorf("options are %q, want %q", r.Options, want)
	}
	if r := ParseResolver("search a.example\ndomain b.example c.example\n"); !slices.Equal(r.Search, []string{"b.example"}) {
		t.Errorf("search list is %q, want the domain", r.Search)
	}
}

// A vassal asks nameservers that it can reach, and the responder where there are none.
func TestChoice(t *testing.T) {
	const stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"
	both := Reach{IPv4: true, IPv6: true, Own: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }}
	gateways := addresses("10.1.0.1", "fd00::1")
	for _, c := range []struct {
		name, own, upstream string
		mode                spec.DNS
		reach               Reach
		want                string // mode and servers
	}{
		{"a server of the network", "nameserver 192.0.2.53", "", spec.DNSAuto, both, "auto 192.0.2.53"},
		{"a server twice, and four", "nameserver 192.0.2.53\nnameserver 192.0.2.53\nnameserver 192.0.2.54\nnameserver 192.0.2.55\nnameserver 192.0.2.56", "", spec.DNSAuto, both, "auto 192.0.2.53 192.0.2.54 192.0.2.55"},
		{"the stub of systemd-resolved", stub, "nameserver 192.0.2.53\nnameserver 2001:db8::53", spec.DNSAuto, both, "auto 192.0.2.53 2001:db8::53"},
		{"the stub without servers behind it", stub, "", spec.DNSAuto, both, "forward 10.1.0.1 fd00::1"},
		{"another server of the host", "nameserver 127.0.0.1", "nameserver 192.0.2.53", spec.DNSAuto, both, "forward 10.1.0.1 fd00::1"},
		{"a loopback address first", "nameserver ::1\nnameserver 192.0.2.53", "", spec.DNSAuto, both, "auto 192.0.2.53"},
		{"the host's own address", "nameserver 192.0.2.1", "", spec.DNSAuto, both, "forward 10.1.0.1 fd00::1"},
		{"no server at all", "", "", spec.DNSAuto, both, "forward 10.1.0.1 fd00::1"},
		{"a link-local server", "nameserver fe80::1%eth0\nnameserver fe80::1", "", spec.DNSAuto, both, "forward 10.1.0.1 fd00::1"},
		{"this host by 0.0.0.0", "nameserver 0.0.0.0\nnameserver ::", "", spec.DNSAuto, both, "forward 10.1.0.1 fd00::1"},
		{"a vassal without IPv6", "nameserver 2001:db8::53\nnameserver 192.0.2.53", "", spec.DNSAuto, Reach{IPv4: true}, "auto 192.0.2.53"},
		{"a vassal without IPv4", "nameserver 192.0.2.53", "", spec.DNSAuto, Reach{IPv6: true}, "forward 10.1.0.1 fd00::1"},
		{"names", "nameserver 192.0.2.53\nnameserver 192.0.2.54", "", spec.DNSNames, both, "names 10.1.0.1 fd00::1 192.0.2.53"},
		{"forward", "nameserver 192.0.2.53", "", spec.DNSForward, both, "forward 10.1.0.1 fd00::1"},
		{"off", "nameserver 192.0.2.53", "", spec.DNSOff, both, "off"},
	} {
		choice := Host{ParseResolver(c.own), ParseResolver(c.upstream)}.Choose(c.mode, c.reach, gateways)
		got := string(choice.Mode)
		for _, s := range choice.Servers {
			got += " " + s.String()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if want := strings.HasPrefix(c.want, "names") || strings.HasPrefix(c.want, "forward"); choice.Responds() != want {
			t.Errorf("%s: responds is %v", c.name, choice.Responds())
		}
	}
}

func TestResolverFile(t *testing.T) {
	h := Host{Own: ParseResolver("nameserver 127.0.0.53\nsearch lan\noptions edns0 trust-ad\n"), Upstream: ParseResolver("nameserver 192.0.2.53\nsearch lan office\n")}
	reach := Reach{IPv4: true}
	if got, want := h.Choose(spec.DNSAuto, reach, nil).File(), "# Made by emperor for this vassal (network-dns = auto).\nnameserver 192.0.2.53\nsearch lan office\n"; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	if got, want := h.Choose(spec.DNSForward, reach, addresses("10.1.0.1")).File(), "# Made by emperor for this vassal (network-dns = forward).\nnameserver 10.1.0.1\nsearch lan\noptions edns0\n"; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	if got := h.Servers(); !slices.Equal(got, addresses("127.0.0.53")) {
		t.Errorf("the host asks %v", got)
	}
	if got := (Host{}).Servers(); !slices.Equal(got, addresses("127.0.0.1")) {
		t.Errorf("a host without a file asks %v", got)
	}
}

func TestNamesOf(t *testing.T) {
	long := strings.Repeat("a", 64)
	for vassal, want := range map[string]string{
		"shop.ini":                "shop.ini shop",
		"Shop.API.ini":            "shop.api.ini shop.api",
		"shop":                    "shop",
		"café $(x).ini":           "caf----x-.ini caf----x-",
		"..ini":                   "ini",
		"a..b.ini":                "a.b.ini a.b",
		"host.ini":                "host.ini", // host alone is the host
		"host":                    "",
		long + ".ini":             "",
		long[:63] + ".ini":        long[:63] + ".ini " + long[:63],
		strings.Repeat("a.", 119): "",
	} {
		if got := strings.Join(NamesOf(vassal), " "); got != want {
			t.Errorf("%q has the names %q, want %q", vassal, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	got := Hosts("127.0.0.1 localhost\n127.0.1.1 machine\n# 192.0.2.8 old\n192.0.2.7\tdb db.lan # the database\n\n::1 ip6-localhost\nnonsense x\nfe80::1%eth0 router",
		"shop.ini", addresses("10.1.0.7", "fd00::7"), addresses("10.1.0.1", "fd00::1"))
	want := `# Made by emperor for this vassal.
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
10.1.0.7	shop.ini.emperor.internal shop.emperor.internal
fd00::7	shop.ini.emperor.internal shop.emperor.internal
10.1.0.1	host.emperor.internal
fd00::1	host.emperor.internal
192.0.2.7	db db.lan # the database
fe80::1%eth0 router
`
	if got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
}
