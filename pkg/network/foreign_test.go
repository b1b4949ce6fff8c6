package network

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Of the ways of packets only the one to services of the host passes the chains of packets to the host: another firewall
// that drops there, and accepts answers, keeps vassals from the emperor's nameserver and from permitted ports. It has no
// effect on published ports and on connections to vassals. The remedy that is named helps.
func TestForeignInput(t *testing.T) {
	if !isolated(t) {
		return
	}
	far := outside(t)
	ports, err := spec.ParsePorts("5432")
	if err != nil {
		t.Fatal(err)
	}
	s := openStage(t, func(c *Config) { withBridge(c); c.ToHost.Ports = []spec.Ports{ports} })
	defer s.Close()
	if err := s.AnswerNames(); err != nil {
		t.Fatal(err)
	}
	host, a, b, c := here(t), newNetns(t), newNetns(t), newNetns(t)
	la := up(t, s, "a.ini", a, routed(t, "8001:8080"))
	up(t, s, "b.ini", b, routed(t))
	up(t, s, "c.ini", c, onBridge(t, ""))
	serve(t, a, 8080, "a")
	serve(t, host, 5432, "host")
	serve(t, far, 80, "far")
	echo(t, host, 53)
	const way = "services of the host"
	try := func(firewall string, blocked ...netns.NsHandle) {
		t.Helper()
		for _, w := range []struct {
			what string
			from netns.NsHandle
			to   string
			way  string
		}{
			{"the host to a vassal", host, netip.AddrPortFrom(la.Addresses[0], 8080).String(), ""},
			{"the host to a published port", host, "198.18.0.1:8001", ""},
			{"another host to a published port", far, "198.18.0.1:8001", ""},
			{"another host to a published port by IPv6", far, "[2001:db8:18::1]:8001", ""},
			{"a neighbour to a published port", b, "198.18.0.1:8001", ""},
			{"a vassal to another host", a, "198.18.0.2:80", ""},
			{"a vassal to a permitted port", a, "10.9.0.1:5432", way},
			{"a vassal to a permitted port by IPv6", a, "[fd09::1]:5432", way},
			{"a vassal on the bridge to a permitted port", c, "10.8.0.1:5432", way},
		} {
			want := w.way == ""
			for _, reached := range []netns.NsHandle{a, c} {
				want = want || reached == w.from && !slices.Contains(blocked, reached)
			}
			if _, err := ask(t, w.from, w.to); (err == nil) != want {
				t.Errorf("%s: %s: %v", firewall, w.what, err)
			}
		}
		if err := question(t, a, "10.9.0.1:53"); (err == nil) == slices.Contains(blocked, a) {
			t.Errorf("%s: a vassal asks for names: %v", firewall, err)
		}
		named := strings.Join(Auditor{s}.faults(), "\n")
		if (len(blocked) > 0) != strings.Contains(named, "vassals may reach neither the emperor's nameserver nor the ports of emperor-network-to-host (accept interfaces evs* and br-test there: iptables -I INPUT") {
			t.Errorf("%s: named: %s", firewall, named)
		}
	}
	try("no firewall")
	nft(t, "add table inet fw; add chain inet fw input { type filter hook input priority 0; policy drop; }; add rule inet fw input ct state established,related accept; add rule inet fw input iifname lo accept")
	try("a policy", a, c)
	nft(t, "add chain inet fw vassals; add rule inet fw vassals iifname evs* accept; add rule inet fw input jump vassals")
	nft(t, "add rule inet fw vassals iifname br-test accept")
	try("a policy with the remedy")
	nft(t, "delete table inet fw")
	for _, rules := range []struct{ command, drop, remedy string }{
		{"iptables", "-P INPUT DROP", "-I INPUT -i evs+ -j ACCEPT"},
		{"iptables-legacy", "-A INPUT -j REJECT", "-I INPUT -i evs+ -j ACCEPT"},
	} {
		path, err := exec.LookPath(rules.command)
		if err != nil {
			continue
		}
		run := func(args string) error { return exec.Command(path, strings.Fields(args)...).Run() }
		if run("-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT") != nil || run(rules.drop) != nil {
			continue
		}
		if list := foreignDrops("", true); len(list) != 1 || list[0].hook != hookInput || len(foreignDrops("", false)) != 0 {
			t.Errorf("%s: %v", rules.command, list)
		}
		if err := run("-A FORWARD -i evs+ -j ACCEPT"); err != nil { // another chain
			t.Fatal(err)
		}
		if list := foreignDrops("", true); len(list) != 1 {
			t.Errorf("%s, and a rule in another chain: %v", rules.command, list)
		}
		if _, err := ask(t, a, "10.9.0.1:5432"); err == nil {
			t.Errorf("%s: a vassal reaches the port", rules.command)
		}
		if err := run(rules.remedy); err != nil {
			t.Fatal(err)
		}
		if list := foreignDrops("", true); len(list) != 0 {
			t.Errorf("%s, with the remedy: %v", rules.command, list)
		}
		if _, err := ask(t, a, "10.9.0.1:5432"); err != nil {
			t.Errorf("%s, with the remedy: %v", rules.command, err)
		}
		for _, undo := range []string{"-F", "-P INPUT ACCEPT"} {
			if err := run(undo); err != nil {
				t.Fatal(err)
			}
		}
	}
	if list := fmt.Sprint(foreignDrops("", true)); list != "[]" {
		t.Errorf("left: %s", list)
	}
}
