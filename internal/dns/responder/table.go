// Package responder answers questions for names (RFC 1035). It is the whole of the program
// emperor-dns: it works on bytes that vassals send, has no rights, and knows only what the
// emperor has sent to it.
package responder

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/emperor-go/emperor/internal/dns"
)

// Table has the names that can be asked for, and the answers that each vassal may get. Its
// methods may be called by many goroutines.
type Table struct {
	mu       sync.RWMutex
	gateways []netip.Addr
	pool     []netip.Prefix
	between  bool
	servers  []netip.Addr
	vassals  map[string]*dns.Vassal
	holders  map[netip.Addr]*dns.Vassal
	// claims are the vassals with a name of the zone. A name of two vassals belongs to neither: a
	// tenant could take the name of another vassal otherwise.
	claims map[string][]*dns.Vassal
}

// NewTable returns a table without vassals.
func NewTable(s dns.Setup) *Table {
	return &Table{
		gateways: s.Gateways, pool: s.Pool, between: s.Between,
		vassals: map[string]*dns.Vassal{}, holders: map[netip.Addr]*dns.Vassal{}, claims: map[string][]*dns.Vassal{},
	}
}

// Change applies one message of the emperor.
func (t *Table) Change(m dns.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.Servers != nil {
		t.servers = *m.Servers
	}
	if m.Remove != "" {
		t.remove(m.Remove)
	}
	if m.Set == nil {
		return
	}
	v := *m.Set
	t.remove(v.Name)
	t.vassals[v.Name] = &v
	for _, a := range v.Addresses {
		t.holders[a] = &v
	}
	for _, name := range dns.NamesOf(v.Name) {
		t.claims[name] = append(t.claims[name], &v)
	}
}

func (t *Table) remove(name string) {
	v := t.vassals[name]
	if v == nil {
		return
	}
	delete(t.vassals, name)
	for _, a := range v.Addresses {
		if t.holders[a] == v {
			delete(t.holders, a)
		}
	}
	for _, name := range dns.NamesOf(v.Name) {
		t.claims[name] = slices.DeleteFunc(t.claims[name], func(c *dns.Vassal) bool { return c == v })
		if len(t.claims[name]) == 0 {
			delete(t.claims, name)
		}
	}
}

// Knows reports whether an address may ask at all: a vassal's, or the host's own. Nothing else can
// send from these addresses, because the policy of the network drops it.
func (t *Table) Knows(asker netip.Addr) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.holders[asker] != nil || slices.Contains(t.gateways, asker)
}

// Lookup returns the addresses of a name, which is relative to the zone and in small letters. A
// name that the asker may not reach does not exist for it.
func (t *Table) Lookup(asker netip.Addr, name string) (addresses []netip.Addr, exists bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if name == dns.HostLabel {
		return t.gateways, true
	}
	v := t.claims[name]
	if len(v) != 1 || !t.reaches(asker, v[0]) {
		return nil, false
	}
	return v[0].Addresses, true
}

// NameOf returns the name of an address, relative to the zone. Ours reports whether the address is
// one of the pool or the host's, for which no other nameserver has an answer.
func (t *Table) NameOf(asker, address netip.Addr) (name string, ours bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if slices.Contains(t.gateways, address) {
		return dns.HostLabel, true
	}
	v := t.holders[address]
	if v == nil || !t.reaches(asker, v) {
		return "", v != nil || slices.ContainsFunc(t.pool, func(p netip.Prefix) bool { return p.Contains(address) })
	}
	names := dns.NamesOf(v.Name)
	for _, name := range slices.Backward(names) { // the short one, if it is unique
		if len(t.claims[name]) == 1 {
			return name, true
		}
	}
	return "", true
}

// Servers returns the nameservers for other questions of an asker.
func (t *Table) Servers(asker netip.Addr) []netip.Addr {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if v := t.holders[asker]; v == nil || !v.Forward {
		return nil
	}
	return t.servers
}

// reaches reports whether the policy lets the asker reach a vassal: itself, and all for the host.
func (t *Table) reaches(asker netip.Addr, v *dns.Vassal) bool {
	return t.between || slices.Contains(v.Addresses, asker) || slices.Contains(t.gateways, asker) ||
		slices.ContainsFunc(v.From, func(p netip.Prefix) bool { return p.Contains(asker) })
}
