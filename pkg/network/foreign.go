package network

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// dropsForwarded reports that a chain of another firewall may drop packets of vassals, and acceptVassals is
// the remedy.
func dropsForwarded(chain string) string {
	return fmt.Sprintf("the chain %q of another firewall drops what it does not accept: vassals may reach no other hosts, and published ports "+
		"may not be reached", chain)
}

const acceptVassals = "accept interfaces evs* there: DOCKER-USER, ufw route allow, firewalld zone trusted"

// foreignDrops lists the chains of this network namespace that drop the packets that the host
// forwards, unless their own rules accept them: a drop in any table is final. No emperor has one. A
// firewall with a rule about the links of vassals is not listed.
func foreignDrops() (names []string) {
	for _, l := range legacies {
		if l.drops() {
			names = append(names, l.name)
		}
	}
	c, err := nftables.New()
	if err != nil {
		return names
	}
	chains, err := c.ListChains()
	if err != nil {
		return names
	}
	for _, chain := range chains {
		forwards := chain.Hooknum != nil && *chain.Hooknum == *nftables.ChainHookForward && chain.Type == nftables.ChainTypeFilter
		if forwards && endsInDrop(c, chain) && !knowsVassals(c, chain.Table, chains) {
			names = append(names, chain.Table.Name+" "+chain.Name)
		}
	}
	return names
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

// knowsVassals reports whether a rule of a table names links of vassals.
func knowsVassals(c *nftables.Conn, table *nftables.Table, chains []*nftables.Chain) bool {
	names := func(e expr.Any) bool {
		compared, ok := e.(*expr.Cmp)
		return ok && bytes.HasPrefix(compared.Data, []byte(LinkPrefix))
	}
	for _, chain := range chains {
		if chain.Table.Name != table.Name || chain.Table.Family != table.Family {
			continue
		}
		rules, err := c.GetRules(table, chain)
		if err == nil && slices.ContainsFunc(rules, func(r *nftables.Rule) bool { return slices.ContainsFunc(r.Exprs, names) }) {
			return true
		}
	}
	return false
}
