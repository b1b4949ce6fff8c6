package network

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Each missing part of a host is one sentence with its remedy, and a host that lacks a permission is
// asked nothing else.
func TestLacks(t *testing.T) {
	needs := Needs{Kinds: []spec.Kind{spec.Routed, spec.Ipvlan}, Pool: prefixes("10.9.0.0/24", "fd09::/64"), Answers: true}
	for want, host := range map[string]trial{
		"": {ipv6: true},
		"this process may not configure networks (an emperor that is root, without uid, and with CAP_NET_ADMIN": {change: unix.EPERM, policy: unix.EPERM},
		"this process may not configure networks (an emperor that is root, without uid, ":                       {enter: unix.EPERM},
		"this host makes no network namespaces: no space left on device (sysctl user.max_net_namespaces":        {enter: unix.ENOSPC},
		"this kernel has no nftables (modprobe nf_tables":                                                       {ipv6: true, policy: unix.EPROTONOSUPPORT},
		"this kernel has no links of the kind ipvlan (modprobe ipvlan, or another mode)":                        {ipv6: true, kinds: map[spec.Kind]error{spec.Ipvlan: unix.EOPNOTSUPP}},
		"this kernel has no links of the kind veth (modprobe veth, or another mode)":                            {ipv6: true, kinds: map[spec.Kind]error{spec.Routed: unix.EOPNOTSUPP}},
		"this host has no IPv6 for fd09::/64 (sysctl -w net.ipv6.conf.all.disable_ipv6=0":                       {},
		"another nameserver of this host has port 53 of all addresses (bind it to its own":                      {ipv6: true, answer: unix.EADDRINUSE},
		"nftables of this kernel refuses the policy of vassals: no such file or directory (modprobe nf_tables":  {ipv6: true, policy: unix.ENOENT},
		"this host makes no link for network = routed: device or resource busy (another mode)":                  {ipv6: true, kinds: map[spec.Kind]error{spec.Routed: unix.EBUSY}},
		`the chain "filter FORWARD" of another firewall drops`:                                                  {ipv6: true, drops: []foreignDrop{{"filter FORWARD", hookForward}}},
	} {
		list := host.lacks(needs)
		if want == "" && len(list) == 0 {
			continue
		}
		if len(list) != 1 || want == "" || !strings.HasPrefix(list[0].Error(), want) || list[0].Partial != (host.drops != nil) {
			t.Errorf("%v, want %q", list, want)
		}
	}
	if list := (trial{answer: unix.EADDRINUSE}).lacks(Needs{}); len(list) != 0 {
		t.Errorf("not needed: %v", list)
	}
}

// A host with everything lacks nothing, and the trial changes nothing. A nameserver with the port of all
// addresses, a chain that drops, and a process without a capability are found.
func TestExamine(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	needs := Needs{Kinds: []spec.Kind{spec.Routed, spec.Bridge, spec.Macvlan, spec.CNI}, Pool: prefixes("10.9.0.0/24", "fd09::/64"), Answers: true}
	before := settled(t)
	if list := Examine(needs); len(list) != 0 {
		t.Errorf("lacks: %v", list)
	}
	if after := settled(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	for _, network := range []string{"udp4", "udp6"} {
		other, err := net.ListenUDP(network, &net.UDPAddr{Port: 53})
		if err != nil {
			t.Fatal(err)
		}
		if list := fmt.Sprint(Examine(needs)); !strings.Contains(list, "another nameserver of this host has port 53") {
			t.Errorf("%s: %v", network, list)
		}
		other.Close()
	}
	s := openStage(t, nil)
	needs.Dir = s.config.Dir // the gateways are its own
	if list := Examine(needs); len(list) != 0 {
		t.Errorf("beside an emperor: %v", list)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	nft(t, "add", "table", "ip", "filter")
	nft(t, "add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0; policy drop; }")
	if list := Examine(needs); len(list) != 1 || !strings.Contains(list[0].What, `"filter FORWARD"`) {
		t.Errorf("lacks: %v", list)
	}
}

// A kind that the kernel does not have is found as it is by ip(8).
func TestExamineKinds(t *testing.T) {
	if !isolated(t) {
		return
	}
	for _, kind := range []spec.Kind{spec.Macvlan, spec.Ipvlan} {
		ip(t, netns.None(), "link", "add", "below", "type", "veth", "peer", "name", "other")
		there := exec.Command("ip", "link", "add", "link", "below", "name", "above", "type", string(kind)).Run() == nil
		if list := Examine(Needs{Kinds: []spec.Kind{kind}}); (len(list) == 0) != there || !there && list[0].Kind != kind {
			t.Errorf("%s is there: %v; lacks: %v", kind, there, list)
		}
		ip(t, netns.None(), "link", "delete", "below")
	}
}
