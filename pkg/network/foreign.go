package network

import (
	"github.com/google/nftables"
)

// foreignDrops lists the chains of this network namespace that drop the packets that the host
// forwards, unless their own rules accept them: a drop in any table is final. No emperor has one.
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
		if forwards && chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
			names = append(names, chain.Table.Name+" "+chain.Name)
		}
	}
	return names
}
