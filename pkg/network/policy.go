package network

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Policy is the set of permitted connections. It has no rule about one vassal: links are distinguished by
// their group, and the published and allowed ports of all vassals are elements of sets.
type Policy struct {
	// Group of the emperor's links.
	Group uint32
	// Pool has the vassals' addresses, at most one prefix of each family.
	Pool []netip.Prefix
	// NAT masquerades packets that leave the host, by family: IPv4, IPv6.
	NAT [2]bool
	// Between: vassals may reach each other.
	Between bool
	// ToHost: vassals may reach all of the host, or HostPorts.
	ToHost    bool
	HostPorts []spec.Ports
	// Bridged are the parts of the pool whose vassals share a network with each other.
	Bridged []netip.Prefix
	// Names are the addresses of the host at which its emperor answers questions for names.
	Names []netip.Addr
	// Guarded are interfaces whose forwarding was switched on for the vassals: nothing new is
	// forwarded from them to anything else.
	Guarded []string
}

// The names in the table.
const (
	counterSpoofed = "spoofed"
	counterRefused = "refused"
	chainRefuse    = "refuse"
	chainForged    = "forged"
	setSpoofers    = "spoofers"
	setHeld        = "held"
	setEnded       = "ended"
)

// newSpoofers makes the set of links whose forged packets are counted, each by itself.
func newSpoofers(t *nftables.Table) *nftables.Set {
	return &nftables.Set{Table: t, Name: setSpoofers, KeyType: nftables.TypeIFIndex, Counter: true}
}

// sets are the sets of one family.
type sets struct {
	publish   *nftables.Set // protocol . port : address . port
	publishAt *nftables.Set // address . protocol . port : address . port
	open      *nftables.Set // source . destination . protocol . port
	itself    *nftables.Set // source . destination
	held      *nftables.Set // destination
	ended     *nftables.Set // destination
}

// all lists them.
func (s *sets) all() []*nftables.Set {
	return []*nftables.Set{s.publish, s.publishAt, s.open, s.itself, s.held, s.ended}
}

func newSets(t *nftables.Table, f ipFamily) *sets {
	concat := nftables.MustConcatSetType
	to := concat(f.address, nftables.TypeInetService)
	return &sets{
		publish: &nftables.Set{
			Table: t, Name: "publish" + f.suffix, IsMap: true, Concatenation: true,
			KeyType: concat(nftables.TypeInetProto, nftables.TypeInetService), DataType: to,
		},
		publishAt: &nftables.Set{
			Table: t, Name: "publish-at" + f.suffix, IsMap: true, Concatenation: true,
			KeyType: concat(f.address, nftables.TypeInetProto, nftables.TypeInetService), DataType: to,
		},
		open: &nftables.Set{
			Table: t, Name: "open" + f.suffix, Concatenation: true, Interval: true,
			KeyType: concat(f.address, f.address, nftables.TypeInetProto, nftables.TypeInetService),
		},
		itself: &nftables.Set{Table: t, Name: "itself" + f.suffix, Concatenation: true, KeyType: concat(f.address, f.address)},
		held:   &nftables.Set{Table: t, Name: setHeld + f.suffix, KeyType: f.address},
		ended:  &nftables.Set{Table: t, Name: setEnded + f.suffix, KeyType: f.address},
	}
}

// chain is a chain with its rules, in order.
type chain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	rules    []rule
}

const (
	in  = expr.MetaKeyIIFGROUP
	out = expr.MetaKeyOIFGROUP
)

// chains returns the policy.
func (p *Policy) chains(byFamily []*sets, spoofers *nftables.Set) []chain {
	return []chain{
		{name: chainForged, rules: append(ownWords(), countLink(spoofers), when(count(counterSpoofed), drop))},
		{name: chainRefuse, rules: []rule{
			count(counterRefused),
			// A host that only gets ICMP waits a second or two, because the kernel limits its rate.
			when(carries(unix.IPPROTO_TCP), reset),
			prohibited,
		}},
		{"early", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRef(-310), p.early(byFamily)},
		{"arriving", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, p.published(byFamily)},
		{"own", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, p.publishedHere(byFamily)},
		{"waiting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRef(-99), waiting(byFamily)},
		{"waiting-own", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityRef(-99), append(waiting(byFamily), ended(byFamily)...)},
		{"forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter, p.forward(byFamily)},
		{"input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter, p.input()},
		{"leaving", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, p.leaving(byFamily)},
	}
}

// notLoopback: meta iif != lo. There the host refuses its own connections in the name of vassals (ended).
var notLoopback = rule{&expr.Meta{Key: expr.MetaKeyIIF, Register: register}, differs(native(uint32(loopback)))}

// early drops forged sources: a vassal sends from its own address only, and nothing else sends
// from the pool.
func (p *Policy) early(byFamily []*sets) []rule {
	rules := []rule{when(inGroup(in, p.Group), forged(), jump(chainForged))}
	for _, prefix := range p.Pool {
		f := familyOf(prefix.Addr())
		elsewhere := when(notInGroup(in, p.Group), notLoopback, f.within(f.source, prefix), local(true, false))
		// Links that the sweeper deletes are in another group already, and answers of their vassals are on their way.
		ended := f.loadSource(f.key()).in(byFamily[f.index()].ended)
		rules = append(rules, when(elsewhere, ended, drop), when(elsewhere, count(counterSpoofed), drop))
	}
	return rules
}

// ownWords drops, uncounted, the packets that the kernel of a vassal sends by itself on each new link: duplicate address
// detection, reports of multicast listeners and solicitations of routers, from the unspecified or a link-local address
// (RFC 4862, 3810, 4861). A link has no route to these.
func ownWords() (rules []rule) {
	for _, from := range []string{"::/128", "fe80::/10"} {
		f := families[1]
		rules = append(rules, when(f.within(f.source, netip.MustParsePrefix(from)), carries(unix.IPPROTO_ICMPV6), drop))
	}
	return rules
}

// published sends packets to published ports on to the vassals.
func (p *Policy) published(byFamily []*sets) (rules []rule) {
	for i, f := range families {
		rules = append(rules,
			when(local(false, true), f.dnat(f.loadDest(f.key()).protocol().port(), byFamily[i].publishAt)),
			when(local(false, true), f.dnat(f.key().protocol().port(), byFamily[i].publish)))
	}
	return rules
}

// publishedHere does the same for connections of the host itself, but for its loopback
// addresses: the kernel would drop the answers.
func (p *Policy) publishedHere(byFamily []*sets) (rules []rule) {
	for _, f := range families {
		rules = append(rules, when(f.within(f.dest, f.loopbackRange), giveBack))
	}
	return append(rules, p.published(byFamily)...)
}

// waiting drops the first packet of a connection to a vassal that is started again: its client repeats it. Published ports are
// translated before that.
func waiting(byFamily []*sets) (rules []rule) {
	for i, f := range families {
		rules = append(rules, when(f.loadDest(f.key()).in(byFamily[i].held), connection(expr.CtKeySTATE, ctNew), drop))
	}
	return rules
}

// ended refuses new connections to the addresses of a vassal whose link is about to go: while the kernel deletes a link, it
// drops packets, whose senders repeat them after a second. Answers of the vassal that are on their way arrive.
func ended(byFamily []*sets) (rules []rule) {
	for i, f := range families {
		rules = append(rules, when(f.loadDest(f.key()).in(byFamily[i].ended), connection(expr.CtKeySTATE, ctNew), jump(chainRefuse)))
	}
	return rules
}

// forward decides about packets from and to the emperor's vassals only.
func (p *Policy) forward(byFamily []*sets) (rules []rule) {
	rules = ended(byFamily)
	for _, name := range p.Guarded {
		rules = append(rules,
			when(linkNamed(name), noVassals(out), connection(expr.CtKeySTATUS, ctDNAT), accept), // another program publishes it
			when(linkNamed(name), noVassals(out), connection(expr.CtKeySTATE, ctNew), drop))
	}
	rules = append(rules,
		when(notInGroup(in, p.Group), notInGroup(out, p.Group), accept),
		when(connection(expr.CtKeySTATE, ctEstablished|ctRelated), accept),
		when(connection(expr.CtKeySTATUS, ctDNAT), accept))
	for i, f := range families {
		rules = append(rules, when(f.loadDest(f.loadSource(f.key())).protocol().port().in(byFamily[i].open), accept))
	}
	if p.Between {
		rules = append(rules, when(inGroup(in, p.Group), inGroup(out, p.Group), accept))
	}
	return append(rules,
		when(vassals(in), vassals(out), jump(chainRefuse)), // also of two emperors
		when(inGroup(in, p.Group), accept),
		when(count(counterRefused), drop))
}

// input decides which ports of the host itself vassals reach.
func (p *Policy) input() []rule {
	rules := []rule{
		when(notInGroup(in, p.Group), accept),
		when(connection(expr.CtKeySTATE, ctEstablished|ctRelated), accept),
	}
	if p.ToHost {
		return append(rules, accept)
	}
	const echo4, echo6, neighbourSolicit, neighbourAdvert = 8, 128, 135, 136
	rules = append(rules, when(families[0].is(), carries(unix.IPPROTO_ICMP), icmpType(echo4), accept))
	for _, kind := range []byte{echo6, neighbourSolicit, neighbourAdvert} {
		rules = append(rules, when(families[1].is(), carries(unix.IPPROTO_ICMPV6), icmpType(kind), accept))
	}
	for _, a := range p.Names {
		for _, protocol := range []spec.Protocol{spec.UDP, spec.TCP} {
			rules = append(rules, when(toPorts(spec.Ports{Address: a, First: namesPort, Last: namesPort, Protocol: protocol}), accept))
		}
	}
	for _, ports := range p.HostPorts {
		rules = append(rules, when(toPorts(ports), accept))
	}
	return append(rules, jump(chainRefuse))
}

// namesPort is the port of the domain name system.
const namesPort = 53

// toPorts: ADDRESS, PROTOCOL dport FIRST-LAST.
func toPorts(p spec.Ports) (r rule) {
	if p.Address.IsValid() {
		f := familyOf(p.Address)
		r = f.within(f.dest, netip.PrefixFrom(p.Address, p.Address.BitLen()))
	}
	return r.and(carries(protocolNumber(p.Protocol)), rule{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: register, FromData: bigEndian(p.First), ToData: bigEndian(p.Last)},
	})
}

// leaving masquerades packets that leave the pool, and packets of a vassal to itself by a published port.
func (p *Policy) leaving(byFamily []*sets) (rules []rule) {
	for _, prefix := range p.Pool {
		f := familyOf(prefix.Addr())
		i := 0
		if !prefix.Addr().Is4() {
			i = 1
		}
		if p.NAT[i] {
			rules = append(rules, when(f.within(f.source, prefix), noVassals(out), masquerade))
		}
		rules = append(rules, when(f.loadDest(f.loadSource(f.key())).in(byFamily[i].itself), masquerade))
	}
	// An answer would go to the neighbour directly, from an address that it has not asked.
	for _, prefix := range p.Bridged {
		f := familyOf(prefix.Addr())
		rules = append(rules, when(f.within(f.source, prefix), f.within(f.dest, prefix), connection(expr.CtKeySTATUS, ctDNAT), masquerade))
	}
	return rules
}

func protocolNumber(p spec.Protocol) byte {
	if p == spec.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func bigEndian(v uint16) []byte { return []byte{byte(v >> 8), byte(v)} }
