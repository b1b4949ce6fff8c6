package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// SharedBridge is the bridge of vassals that name none.
type SharedBridge struct {
	Name string
	// Prefixes are the addresses of its vassals, at most one of each family. Nil: they are in
	// a network of others, and bring their own.
	Prefixes []netip.Prefix
}

// ParseBridge parses NAME [PREFIX [PREFIX]].
func ParseBridge(text string) (b SharedBridge, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return b, fmt.Errorf("%q names no bridge", text)
	}
	if b.Name, err = ParseInterface(words[0]); err != nil {
		return SharedBridge{}, err
	}
	for _, word := range words[1:] {
		p, err := netip.ParsePrefix(word)
		switch {
		case err != nil:
			return SharedBridge{}, fmt.Errorf("%q is not a prefix", word)
		case p.Bits() > p.Addr().BitLen()-2:
			return SharedBridge{}, fmt.Errorf("%s has no room for a gateway and a vassal", p)
		case slices.ContainsFunc(b.Prefixes, func(q netip.Prefix) bool { return q.Addr().Is4() == p.Addr().Is4() }):
			return SharedBridge{}, fmt.Errorf("%s is the second prefix of its family", p)
		}
		b.Prefixes = append(b.Prefixes, p.Masked())
	}
	slices.SortFunc(b.Prefixes, func(p, q netip.Prefix) int { return p.Addr().BitLen() - q.Addr().BitLen() })
	return b, nil
}

// String prints the syntax of ParseBridge.
func (b SharedBridge) String() string {
	words := []string{b.Name}
	for _, p := range b.Prefixes {
		words = append(words, p.String())
	}
	return strings.Join(words, " ")
}
