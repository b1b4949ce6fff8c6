package namespaces

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestParseLinkWait(t *testing.T) {
	for text, want := range map[string]string{
		"eth0": "eth0", "eth0:up": "eth0:up", "eth0:address": "eth0:address", strings.Repeat("n", 127): strings.Repeat("n", 127),
		"": "error", ":up": "error", "eth0:": "error", "eth0:down": "error", "eth0:up:up": "error", "a b": "error", "a/b": "error",
		strings.Repeat("n", 128): "error",
	} {
		got := "error"
		if w, err := ParseLinkWait(text); err == nil {
			got = w.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// fulfilled lists the waits that would return at once.
func fulfilled(t *testing.T, all []string) (list []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, text := range all {
		if WaitForLinks(ctx, waits(text), nil) == nil {
			list = append(list, text)
		}
	}
	return list
}

// Each step towards a usable interface fulfils the waits for that step, and wakes them.
func TestStatesOfLinks(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	link := func(name string) netlink.Link {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	steps := []struct {
		name  string
		do    func() error
		wakes string // the wait that this step fulfils
	}{
		{"a pair is made", func() error { return CreateVeth(Veth{Host: "a", Peer: "b"}) }, "b"},
		{"lo is up", func() error { return SetUp("lo") }, "lo"},
		{"this end is up", func() error { return SetUp("b") }, ""},
		// The kernel announces it only for a link that is up (netdev_state_change).
		{"an alternative name", func() error { return netlink.LinkAddAltName(link("b"), "b-of-the-pair-with-a-long-name") }, "b-of-the-pair-with-a-long-name"},
		{"both ends are up", func() error { return SetUp("a") }, "b:up"},
		{"an address", func() error { return AddAddress("b", "192.0.2.2/24") }, "b:address"},
		{"an address of IPv6 for the other end", func() error {
			// The address is tentative until the kernel has seen no duplicate.
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/a/dad_transmits", []byte("1"), 0o600); err != nil {
				return err
			}
			address, err := netlink.ParseAddr("2001:db8::1/64")
			if err != nil {
				return err
			}
			return netlink.AddrAdd(link("a"), address)
		}, "a:address"},
	}
	all := []string{"b-of-the-pair-with-a-long-name:up"}
	for _, s := range steps {
		if s.wakes != "" {
			all = append(all, s.wakes)
		}
	}
	var want []string
	for _, s := range steps {
		if got := fulfilled(t, all); !slices.Equal(slices.DeleteFunc(got, func(w string) bool { return strings.HasSuffix(w, "name:up") }), want) {
			t.Errorf("before %s: %q, want %q", s.name, got, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		woken := make(chan error, 1)
		if s.wakes == "" {
			woken <- nil
		} else {
			go func() { woken <- WaitForLinks(ctx, waits(s.wakes), nil) }()
		}
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if err := <-woken; err != nil {
			t.Errorf("after %s: %v", s.name, err)
		}
		cancel()
		if s.wakes != "" {
			want = append(want, s.wakes)
		}
	}
	if got := fulfilled(t, all); len(got) != len(all) {
		t.Errorf("in the end: %q, want %q", got, all)
	}
}
