package network

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// A vassal that removes the limit at its own end is no faster, also after a change.
func TestRateHoldsAgainstTheVassal(t *testing.T) {
	if !isolated(t) {
		return
	}
	tc, err := exec.LookPath("tc")
	if err != nil {
		t.Skip("tc is not installed")
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, withBridge)
	defer s.Close()
	for i, wish := range []spec.Wish{routed(t), onBridge(t, "")} {
		name := fmt.Sprintf("v%d.ini", i)
		wish.Limit = spec.Rate{Down: 40e6, Up: 1e6}
		ns := newNetns(t)
		l := up(t, s, name, ns, wish)
		const size = 1000
		counted := func(port int) (bytes, permitted int) {
			t.Helper()
			nft(t, "add", "table", "inet", "probe")
			nft(t, "add", "chain", "inet", "probe", "c", "{ type filter hook prerouting priority -400; }")
			nft(t, "add", "rule", "inet", "probe", "c", fmt.Sprintf("udp dport %d counter drop", port))
			begin := time.Now()
			err := inside(t, ns, func() error {
				c, err := net.Dial("udp", net.JoinHostPort(l.Gateways[0].String(), fmt.Sprint(port)))
				if err != nil {
					return err
				}
				defer c.Close()
				for range 4000 {
					if _, err := c.Write(make([]byte, size)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(begin)
			out := nft(t, "list", "chain", "inet", "probe", "c")
			nft(t, "delete", "table", "inet", "probe")
			if _, err := fmt.Sscan(out[strings.Index(out, "bytes ")+len("bytes "):], &bytes); err != nil {
				t.Fatal(err)
			}
			return bytes, burst + int((1+took.Seconds())*1.1e6/8) + size
		}
		if err := inside(t, ns, func() error { return exec.Command(tc, "qdisc", "delete", "dev", "eth0", "root").Run() }); err != nil {
			t.Fatal(err)
		}
		if n, permitted := counted(1001); n > permitted {
			t.Errorf("%s: without the limit at its end %d bytes arrive, %d are permitted", name, n, permitted)
		}
		wish.Limit = spec.Rate{}
		if err := s.Change(t.Context(), l, wish, ns); err != nil {
			t.Fatal(err)
		}
		if n, _ := counted(1002); n < 4_000_000 {
			t.Errorf("%s: without a limit %d of 4,000,000 bytes arrive", name, n)
		}
		if err := s.Down(l); err != nil {
			t.Error(err)
		}
	}
	if rules := nft(t, "list", "ruleset"); strings.Contains(rules, "limit rate") {
		t.Errorf("left: %s", rules)
	}
}
