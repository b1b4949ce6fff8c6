package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// compare reads the table. whole: all rules and elements are there. foreign are the parts that another program
// has added, in words.
func (t *Table) compare() (whole bool, foreign []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.difference()
}

// difference is compare for a caller that holds mu.
func (t *Table) difference() (whole bool, foreign []string, err error) {
	whole = !t.unknown
	add := func(kind, name string) {
		foreign = append(foreign, fmt.Sprintf("%s %s of the table %s", kind, name, t.table.Name))
	}
	own := map[string]int{} // the number of rules by chain
	for _, c := range t.policy.chains(t.sets, t.spoofers) {
		own[c.name] = len(c.rules)
	}
	chains, err := t.conn.chains(t.table)
	if err != nil {
		return false, nil, err
	}
	for _, c := range chains {
		rules, err := t.conn.rules(t.table, c)
		switch n, known := own[c]; {
		case errors.Is(err, unix.ENOENT):
			whole = false
		case err != nil:
			return false, nil, err
		case !known:
			add("chain", c)
		case len(rules) < n:
			whole = false
		case len(rules) > n:
			add("rule in the chain", c)
		}
		delete(own, c)
	}
	sets, err := t.conn.sets(t.table)
	if errors.Is(err, unix.ENOENT) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	for _, name := range sets {
		if t.set(name) == nil {
			add("set", name)
		}
	}
	for _, set := range t.all() {
		elements, err := t.conn.elements(set)
		if errors.Is(err, unix.ENOENT) {
			whole = false
			continue
		}
		if err != nil {
			return false, nil, err
		}
		known := 0
		for _, e := range elements {
			e := Element{set.Name, e}
			if was, there := t.elements[set.Name][e.id()]; there && e.equal(Element{set.Name, was}) {
				known++
			} else {
				foreign = append(foreign, fmt.Sprintf("%s of the table %s", e, t.table.Name))
			}
		}
		whole = whole && known == len(t.elements[set.Name])
	}
	return whole && len(own) == 0, foreign, nil
}

// others lists the elements of the table but for these.
func (t *Table) others(owned []Element) (list []Element) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[string]bool{}
	for _, e := range owned {
		known[e.Set+e.id()] = true
	}
	for set, elements := range t.elements {
		for _, e := range elements {
			if e := (Element{set, e}); !known[e.Set+e.id()] {
				list = append(list, e)
			}
		}
	}
	slices.SortFunc(list, func(a, b Element) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// renew makes the table again, without the parts that other programs have added.
func (t *Table) renew() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.install(); err != nil {
		return fmt.Errorf("cannot set the policy of the network again (nftables): %w", err)
	}
	return nil
}

// chains lists the names of the chains of a table.
func (n *nftConn) chains(t *nftables.Table) (names []string, err error) {
	err = n.talk(func() error {
		chains, err := n.ListChainsOfTableFamily(t.Family)
		for _, c := range chains {
			if c.Table.Name == t.Name {
				names = append(names, c.Name)
			}
		}
		return err
	})
	return names, err
}

// sets lists the names of the sets and maps of a table, but for the ones of single rules.
func (n *nftConn) sets(t *nftables.Table) (names []string, err error) {
	err = n.talk(func() error {
		sets, err := n.GetSets(t)
		for _, s := range sets {
			if !s.Anonymous && !strings.HasPrefix(s.Name, "__") {
				names = append(names, s.Name)
			}
		}
		return err
	})
	return names, err
}

// list lists the guarded links, also the ones whose guard another program has made.
func (g *guards) list() (links []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, err := openNft()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	if links, err = c.chains(g.table); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("cannot list the guards of links (nftables): %w", err)
	}
	for link := range g.ports {
		links = append(links, link)
	}
	slices.Sort(links)
	return slices.Compact(links), nil
}

// discard removes the guard of a link that no vassal has, whichever program has made it.
func (g *guards) discard(link string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	chain := &nftables.Chain{Table: g.table, Name: link}
	c.FlushChain(chain)
	c.DelChain(chain)
	if err := g.flush(c); err != nil && !errors.Is(err, unix.ENOENT) {
		return explained("cannot remove the guard of a link", err)
	}
	delete(g.ports, link)
	return nil
}

// layouts are the parts of the keys of sets: addresses (a), protocols (p), ports (s) and interfaces (i).
var layouts = map[string]string{"publish": "ps", "publish-at": "aps", "open": "aaps", "itself": "aa", setHeld: "a", setEnded: "a", setSpoofers: "i"}

// String describes an element in words of nft.
func (e Element) String() string {
	text := describeKey(e.Set, e.Key)
	if len(e.KeyEnd) > 0 {
		text += " - " + describeKey(e.Set, e.KeyEnd)
	}
	return fmt.Sprintf("element { %s } in the set %s", text, e.Set)
}

// describeKey writes the parts of a key, of which each takes a multiple of 4 bytes.
func describeKey(set string, key []byte) string {
	name := strings.TrimRight(set, "46")
	address := 4
	if strings.HasSuffix(set, "6") {
		address = 16
	}
	var parts []string
	for _, kind := range layouts[name] {
		length := 4
		if kind == 'a' {
			length = address
		}
		if len(key) < length {
			break
		}
		part := key[:length]
		key = key[length:]
		switch kind {
		case 'a':
			a, _ := netip.AddrFromSlice(part)
			parts = append(parts, a.String())
		case 'p':
			parts = append(parts, protocolName(part[0]))
		case 's':
			parts = append(parts, fmt.Sprint(binary.BigEndian.Uint16(part)))
		case 'i':
			parts = append(parts, fmt.Sprint(binary.NativeEndian.Uint32(part)))
		}
	}
	return strings.Join(parts, " . ")
}

// protocolName returns the name of a protocol with ports, or its number.
func protocolName(number byte) string {
	switch number {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	}
	return fmt.Sprint(number)
}
