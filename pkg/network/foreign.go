package network

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// hook is the place of a firewall's chain on the way of packets: packets that the host forwards, or packets to the
// host itself. The values are the numbers of the kernel (enum nf_inet_hooks).
type hook uint32

const (
	hookInput   hook = 1
	hookForward hook = 2
)

// name of the chain of iptables.
func (h hook) name() string {
	if h == hookInput {
		return "INPUT"
	}
	return "FORWARD"
}

// foreignDrop is a chain of another firewall that drops packets that its own rules do not accept.
type foreignDrop struct {
	chain string
	hook  hook
}

// what reports that packets of vassals may be dropped. own are the interfaces of vassals.
func (d foreignDrop) what() string {
	loss := "vassals may reach no other hosts, and published ports may not be reached"
	if d.hook == hookInput {
		loss = "vassals may reach neither the emperor's nameserver nor the ports of emperor-network-to-host"
	}
	return fmt.Sprintf("the chain %q of another firewall drops all packets that it does not accept: %s", d.chain, loss)
}

// hint is the remedy. links are the interfaces of vassals, such as evs*.
func (d foreignDrop) hint(links []string) string {
	accept := "accept interfaces " + strings.Join(links, " and ") + " there: "
	if d.hook == hookInput {
		return accept + "iptables -I INPUT -i evs+ -j ACCEPT, ufw allow in on evs+, firewalld zone trusted; the emperor's own policy refuses other ports"
	}
	return accept + "DOCKER-USER, ufw route allow, firewalld zone trusted"
}

// linksOfVassals are the interfaces by which packets of vassals come, for people. bridge is the emperor's; empty: there
// is none.
func linksOfVassals(bridge string) []string {
	if bridge == "" {
		return []string{LinkPrefix + "*"}
	}
	return []string{LinkPrefix + "*", bridge}
}

// foreignDrops lists the chains of this network namespace that drop packets from and to vassals, unless their own rules
// accept them: a drop in any table is final. No emperor has one. A chain that leads to a rule about the links of vassals, or
// about their bridge, is not listed. toHost: vassals use services of the host, and the chains of packets to the host count.
func foreignDrops(bridge string, toHost bool) (list []foreignDrop) {
	hooks := []hook{hookForward}
	if toHost {
		hooks = append(hooks, hookInput)
	}
	for _, h := range hooks {
		for _, l := range legacies {
			if l.drops(h, bridge) {
				list = append(list, foreignDrop{l.name + " " + h.name(), h})
			}
		}
	}
	c, err := nftables.New()
	if err != nil {
		return list
	}
	chains, err := c.ListChains()
	if err != nil {
		return list
	}
	for _, h := range hooks {
		for _, chain := range chains {
			hooked := chain.Hooknum != nil && *chain.Hooknum == nftables.ChainHook(h) && chain.Type == nftables.ChainTypeFilter &&
				chain.Table.Family != nftables.TableFamilyNetdev && chain.Table.Family != nftables.TableFamilyARP && chain.Table.Family != nftables.TableFamilyBridge
			if hooked && endsInDrop(c, chain) && !knowsVassals(c, chain, bridge, map[string]bool{}) {
				list = append(list, foreignDrop{chain.Table.Name + " " + chain.Name, h})
			}
		}
	}
	return list
}

// endsInDrop reports whether a chain drops or rejects all that its other rules leave: by its policy, or by a
// rule without conditions (the last one of firewalld's chain).
func endsInDrop(c *nftables.Conn, chain *nftables.Chain) bool {
	rules, _ := c.GetRules(chain.Table, chain)
	for _, r := range rules {
		if drops, ok := unconditional(r); ok {
			return drops
		}
	}
	return chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop
}

// unconditional reports whether a rule drops or rejects every packet. Not ok: packets may go on behind it.
func unconditional(r *nftables.Rule) (drops, ok bool) {
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter, *expr.Log:
		case *expr.Reject:
			return true, true
		case *expr.Verdict:
			return e.Kind == expr.VerdictDrop, e.Kind == expr.VerdictDrop || e.Kind == expr.VerdictAccept
		default:
			return false, false
		}
	}
	return false, false
}

// knowsVassals reports whether a rule of a chain, or of a chain that it leads to, names links of vassals or their bridge.
// seen are the chains that were read.
func knowsVassals(c *nftables.Conn, chain *nftables.Chain, bridge string, seen map[string]bool) bool {
	if seen[chain.Name] {
		return false
	}
	seen[chain.Name] = true
	rules, _ := c.GetRules(chain.Table, chain)
	return slices.ContainsFunc(rules, func(r *nftables.Rule) bool {
		return slices.ContainsFunc(r.Exprs, func(e expr.Any) bool {
			switch e := e.(type) {
			case *expr.Cmp:
				return namesVassals(e.Data, bridge)
			case *expr.Verdict:
				return e.Chain != "" && knowsVassals(c, &nftables.Chain{Table: chain.Table, Name: e.Chain}, bridge, seen)
			}
			return false
		})
	})
}

// namesVassals reports whether the name of an interface in a rule is one of vassals.
func namesVassals(name []byte, bridge string) bool {
	return bytes.HasPrefix(name, []byte(LinkPrefix)) || bridge != "" && string(bytes.TrimRight(name, "\x00")) == bridge
}
