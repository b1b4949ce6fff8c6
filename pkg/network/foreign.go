package network

import (
	"github.com/google/nftables"
)

// foreignDrops lists the chains of other programs that drop what the host forwards unless their
// own rules accept it: a drop in any table is final.
func foreignDrops(own string) (names []string, err error) {
	for _, l := range legacies {
		if l.drops() {
			names = append(names, l.name)
		}
	}
	c, err := nftables.New()
	if err != nil {
		return names, err
	}
	chains, err := c.ListChains()
	if err != nil {
		return names, err
	}
	for _, chain := range chains {
		forwards := chain.Hooknum != nil && *chain.Hooknum == *nftables.ChainHookForward && chain.Type == nftables.ChainTypeFilter
		if forwards && chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop && chain.Table.Name != own {
			names = append(names, chain.Table.Name+" "+chain.Name)
		}
	}
	return names, nil
}

// warnForeignDrops names chains that drop packets of vassals.
func (s *Stage) warnForeignDrops() {
	chains, err := foreignDrops(s.id.Table())
	if err != nil {
		s.config.Log.Debug("cannot list the chains of other programs", "error", err)
	}
	for _, name := range chains {
		s.config.Log.Warn("a firewall of this host drops what it does not accept itself: vassals may reach no other hosts, and published ports may not be reached",
			"chain", name, "hint", "accept interfaces evs* there: DOCKER-USER, ufw route allow, firewalld zone trusted")
	}
}
