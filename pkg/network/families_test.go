package network

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// A host or a pool with one family: vassals have that one, reach other hosts and are reached by it.
func TestOneFamily(t *testing.T) {
	no6 := func(t *testing.T) {
		for _, of := range []string{"all", "default"} {
			if err := os.WriteFile(sysctls+"/ipv6/conf/"+of+"/disable_ipv6", []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	no4 := func(t *testing.T) { ip(t, netns.None(), "-4", "address", "flush", "dev", "up0") }
	for name, c := range map[string]struct {
		host           func(*testing.T)
		pool           []netip.Prefix
		out, want, own string
	}{
		"host of IPv6":        {no4, prefixes("fd09::/64"), "[2001:db8:18::2]:80", "far for 2001:db8:18::1", "[2001:db8:18::1]:8001"},
		"host of IPv6, auto":  {no4, nil, "[2001:db8:18::2]:80", "far for 2001:db8:18::1", "[2001:db8:18::1]:8001"},
		"host of IPv4":        {no6, prefixes("10.9.0.0/24"), "198.18.0.2:80", "far for 198.18.0.1", "198.18.0.1:8001"},
		"host of IPv4, auto":  {no6, nil, "198.18.0.2:80", "far for 198.18.0.1", "198.18.0.1:8001"},
		"pool of IPv4":        {func(*testing.T) {}, prefixes("10.9.0.0/24"), "198.18.0.2:80", "far for 198.18.0.1", "198.18.0.1:8001"},
		"pool of IPv6":        {func(*testing.T) {}, prefixes("fd09::/64"), "[2001:db8:18::2]:80", "far for 2001:db8:18::1", "[2001:db8:18::1]:8001"},
		"host and pool apart": {no6, prefixes("fd09::/64"), "", "", ""},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			if !isolated(t) {
				return
			}
			far := outside(t)
			c.host(t)
			serve(t, far, 80, "far")
			if c.out == "" {
				if list := Examine(Needs{Kinds: []spec.Kind{spec.Routed}, Pool: c.pool}); len(list) != 1 || list[0].Key != "emperor-network-pool" {
					t.Errorf("lacks: %v", list)
				}
				return
			}
			s := openStage(t, func(o *Config) { o.Pool = c.pool })
			a := newNetns(t)
			l := up(t, s, "a.ini", a, routed(t, "8001:8080"))
			serve(t, a, 8080, "a")
			if got, err := ask(t, a, c.out); err != nil || got != c.want {
				t.Errorf("a reaches another host: %q, %v", got, err)
			}
			if got, err := ask(t, far, c.own); err != nil || !strings.HasPrefix(got, "a for ") {
				t.Errorf("another host reaches a: %q, %v", got, err)
			}
			if single := len(c.pool) == 1; single && len(l.Addresses) != 1 {
				t.Errorf("its addresses are %v", l.Addresses)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A route that the host gets within the pool is no way to a vassal, unless it leads to one address: the
// vassal with that one is reported, the route stays, and others are connected.
func TestRouteThatComesLater(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	s := openStage(t, nil)
	ip(t, netns.None(), "route", "add", "10.9.0.0/24", "dev", "up0")
	ip(t, netns.None(), "route", "add", "10.9.0.64/27", "dev", "up0")
	ip(t, netns.None(), "route", "add", "10.9.0.77/32", "dev", "up0")
	ip(t, netns.None(), "-6", "route", "add", "fd09::77/128", "dev", "up0", "metric", "1")
	for _, own := range []string{"10.9.0.77", "fd09::77"} {
		wish := routed(t)
		wish.Addresses = addresses(own)
		_, err := s.Up(t.Context(), Request{Vassal: "a.ini", Generation: 1, Wish: wish, Netns: newNetns(t)})
		if err == nil || !strings.Contains(err.Error(), own) || !strings.Contains(err.Error(), "up0") || !strings.Contains(err.Error(), "emperor-network-pool") {
			t.Errorf("%s: %v", own, err)
		}
	}
	if routes := ip(t, netns.None(), "route"); !strings.Contains(routes, "10.9.0.77 dev up0") {
		t.Errorf("the route of the host is gone:\n%s", routes)
	}
	b := newNetns(t)
	wish := routed(t)
	wish.Addresses = addresses("10.9.0.78")
	up(t, s, "b.ini", b, wish)
	serve(t, b, 8080, "b")
	if got, err := ask(t, here(t), "10.9.0.78:8080"); err != nil || !strings.HasPrefix(got, "b for ") {
		t.Errorf("the host reaches b: %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
