package spec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// Each line has a value and how it prints, or the words of its error.
func read[T fmt.Stringer](t *testing.T, parse func(string) (T, error), lines ...[2]string) {
	t.Helper()
	for _, l := range lines {
		v, err := parse(l[0])
		if err != nil {
			if want, ok := strings.CutPrefix(l[1], "error: "); !ok || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", l[0], err, l[1])
			}
			continue
		}
		if v.String() != l[1] {
			t.Errorf("%q is %q, want %q", l[0], v, l[1])
			continue
		}
		if again, err := parse(v.String()); err != nil || again.String() != v.String() {
			t.Errorf("%q does not read back: %v, %v", v, again, err)
		}
	}
}

func TestModes(t *testing.T) {
	read(t, ParseMode,
		[2]string{"routed", "routed"}, [2]string{"none", "none"}, [2]string{"routed:x", "error: takes nothing"},
		[2]string{"bridge", "bridge"}, [2]string{"bridge:br0", "bridge:br0"}, [2]string{"macvlan:eth0", "macvlan:eth0"}, [2]string{"ipvlan:eth0.7", "ipvlan:eth0.7"},
		[2]string{"macvlan", "error: macvlan:INTERFACE"}, [2]string{"bridge:", "error: bridge or bridge:NAME"}, [2]string{"macvlan:a/b", "error: cannot be an interface"},
		[2]string{"cni:office", "cni:office"}, [2]string{"cni:../x", "error: cannot be a CNI network"}, [2]string{"cni", "error: cni:NETWORK"},
		[2]string{"join:shop.ini", "join:shop.ini"}, [2]string{"join", "error: join:VASSAL"}, [2]string{"join:", "error: join:VASSAL"},
		[2]string{"nat", "error: is no way to connect a vassal"}, [2]string{"", "error: one of routed"})
}

// join alone permits the network of each vassal, other modes only themselves.
func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		permitted, chosen string
		want              bool
	}{
		{"join", "join:a.ini", true},
		{"join:a.ini", "join:a.ini", true},
		{"join:a.ini", "join:b.ini", false},
		{"cni:a", "cni:a", true},
		{"cni:a", "cni:b", false},
		{"routed", "none", false},
		{"bridge", "bridge:br0", false},
	} {
		m, err := ParsePermission(c.permitted)
		chosen, err2 := ParseMode(c.chosen)
		if err != nil || err2 != nil || m.Permits(chosen) != c.want {
			t.Errorf("%s permits %s: %v, %v, want %v", c.permitted, c.chosen, err, err2, c.want)
		}
	}
}

func TestBridges(t *testing.T) {
	read(t, ParseBridge,
		[2]string{"br0", "br0"}, [2]string{"br0  fd00::/64 10.9.0.7/24", "br0 10.9.0.0/24 fd00::/64"}, [2]string{"", "error: names no bridge"},
		[2]string{"br0 10.9.0.0", "error: is not a prefix"}, [2]string{"br0 10.9.0.0/31", "error: no room"}, [2]string{"br0 10.9.0.0/24 10.8.0.0/24", "error: second prefix"},
		[2]string{"a/b", "error: cannot be an interface"})
}

func TestDNS(t *testing.T) {
	for text, good := range map[string]bool{"auto": true, "off": true, "names": true, "forward": true, "on": false, "": false} {
		if d, err := ParseDNS(text); (err == nil) != good || good && string(d) != text {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestInterfaces(t *testing.T) {
	for text, good := range map[string]bool{"eth0": true, "uplink-of-it": true, "lo": false, "": false, "a/b": false, "sixteen-letters-": false, "a b": false, "%d": false} {
		if _, err := ParseInterface(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, good := range map[string]bool{"02:00:00:00:00:01": true, "03:00:00:00:00:01": false, "x": false, "00:00:5e:00:53:00:00:01": false} {
		if _, err := ParseMAC(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReach(t *testing.T) {
	for text, want := range map[string]string{"deny": "{false []}", "allow": "{true []}", "5432, 53/udp": "{false [5432 53/udp]}"} {
		if r, err := ParseReach(text); err != nil || fmt.Sprint(r) != want {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
	if _, err := ParseReach("sometimes"); err == nil {
		t.Error("sometimes is a reach")
	}
	for n, want := range map[NAT][2]bool{"": {true, false}, NATOn: {true, true}, NATOff: {false, false}, NAT4: {true, true}, NAT6: {false, false}} {
		for i, p := range []string{"10.0.0.0/8", "192.0.2.0/24"} {
			if got := n.Of(netip.MustParsePrefix(p)); got != want[i] {
				t.Errorf("NAT %q of %s is %v", n, p, got)
			}
		}
	}
}

func TestPublications(t *testing.T) {
	read(t, ParsePublication,
		[2]string{"8001:8080", "8001:8080"}, [2]string{"8080", "8080"}, [2]string{"8080:8080/tcp", "8080"}, [2]string{"53/udp", "53/udp"},
		[2]string{"192.0.2.1:80:8080", "192.0.2.1:80:8080"}, [2]string{"[2001:db8::1]:80:8080", "[2001:db8::1]:80:8080"},
		[2]string{"9000-9009:7000", "9000-9009:7000"}, [2]string{"0.0.0.0:80", "80"},
		[2]string{"0", "error: is not a port"}, [2]string{"80/sctp", "error: tcp or udp"}, [2]string{"9-8", "error: its end is before"},
		[2]string{"1-1025", "error: more than 1024"}, [2]string{"100-200:65500", "error: beyond port 65535"}, [2]string{"x:80", "error: is not a port"},
		[2]string{"192.0.2.1", "error: has no port"}, [2]string{"[::1:80", "error: is not an IP address"}, [2]string{"", "error: is not a port"})
}

func TestAllowances(t *testing.T) {
	read(t, ParseAllowance,
		[2]string{"shop.ini", "shop.ini"}, [2]string{"shop.ini:8080", "shop.ini:8080"}, [2]string{"shop.ini:53/udp", "shop.ini:53/udp"},
		[2]string{"192.0.2.7/24:80", "192.0.2.0/24:80"}, [2]string{"192.0.2.7", "192.0.2.7/32"}, [2]string{"2001:db8::/64", "2001:db8::/64"},
		[2]string{"[2001:db8::1]:80", "[2001:db8::1/128]:80"}, [2]string{"", "error: names no vassal"}, [2]string{"shop.ini:", "error: no port after"},
		[2]string{"shop.ini:x", "error: is not a port"}, [2]string{"[::1", "error: closing bracket"}, [2]string{"[::1]80", "error: other than a port"})
}

func TestRates(t *testing.T) {
	read(t, ParseRate,
		[2]string{"40mbit", "40mbit"}, [2]string{"40mbit/10mbit", "40mbit/10mbit"}, [2]string{"1500kbit", "1500kbit"}, [2]string{"1000mbit", "1gbit"},
		[2]string{"8kbit", "error: too slow"}, [2]string{"40", "error: is not a rate"}, [2]string{"-1mbit", "error: is not a rate"}, [2]string{"1mbit/", "error: is not a rate"})
	limit := Rate{Down: 40e6, Up: 10e6}
	for rate, within := range map[Rate]bool{{40e6, 10e6}: true, {1e6, 1e6}: true, {41e6, 1e6}: false, {1e6, 0}: false, {}: false} {
		if rate.Within(limit) != within {
			t.Errorf("%v within %v is %v", rate, limit, !within)
		}
	}
}

func TestPorts(t *testing.T) {
	all, err := ParsePorts("8000-8999")
	if err != nil {
		t.Fatal(err)
	}
	for text, within := range map[string]bool{"8001": true, "8000-8999": true, "8999-9000": false, "8001/udp": false, "192.0.2.1:8001": true} {
		p, err := ParsePorts(text)
		if err != nil {
			t.Fatal(err)
		}
		if all.Contains(p) != within {
			t.Errorf("%v contains %v is %v", all, p, !within)
		}
	}
	one, _ := ParsePorts("192.0.2.1:80")
	other, _ := ParsePorts("192.0.2.2:80")
	every, _ := ParsePorts("80")
	if one.Overlaps(other) || !one.Overlaps(every) || !every.Overlaps(one) {
		t.Error("addresses do not count for overlaps")
	}
}

func FuzzSpec(f *testing.F) {
	for _, s := range []string{"routed", "8001:8080", "[2001:db8::1]:80:8080", "shop.ini:80", "40mbit/10mbit"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMode(s); err == nil && m.String() != s {
			t.Errorf("mode %q prints %q", s, m)
		}
		if p, err := ParsePublication(s); err == nil {
			if q, err := ParsePublication(p.String()); err != nil || q != p {
				t.Errorf("publication %q: %v, %v", s, q, err)
			}
		}
		if a, err := ParseAllowance(s); err == nil {
			if b, err := ParseAllowance(a.String()); err != nil || b != a {
				t.Errorf("allowance %q: %v, %v", s, b, err)
			}
		}
		if r, err := ParseRate(s); err == nil {
			if q, err := ParseRate(r.String()); err != nil || q != r {
				t.Errorf("rate %q: %v, %v", s, q, err)
			}
		}
	})
}
