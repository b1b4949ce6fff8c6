package network

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rule is a list of expressions of nftables: comparisons first, a verdict at the end. The
// functions below are its words; each comment is the word of nft(8).
type rule []expr.Any

func (r rule) and(more ...rule) rule {
	for _, m := range more {
		r = append(r, m...)
	}
	return r
}

// when joins the parts of a rule.
func when(parts ...rule) rule { return rule(nil).and(parts...) }

// The registers of nf_tables: register 1 has 16 bytes, the words from 8 on have 4 bytes each
// and share their memory with it.
const (
	register = 1
	word     = 8
)

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

func differs(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: data}
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// inGroup: meta iifgroup GROUP, or oifgroup.
func inGroup(key expr.MetaKey, group uint32) rule {
	return rule{&expr.Meta{Key: key, Register: register}, equal(native(group))}
}

// notInGroup: meta iifgroup != GROUP.
func notInGroup(key expr.MetaKey, group uint32) rule {
	return rule{&expr.Meta{Key: key, Register: register}, differs(native(group))}
}

// vassals: meta iifgroup & 0xff000000 == 0x65000000, the links of all emperors.
func vassals(key expr.MetaKey) rule { return append(masked(key), equal(native(groupMark))) }

func noVassals(key expr.MetaKey) rule { return append(masked(key), differs(native(groupMark))) }

func masked(key expr.MetaKey) rule {
	return rule{
		&expr.Meta{Key: key, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: native(groupMask), Xor: native(0)},
	}
}

// family: meta nfproto ipv4, or ipv6.
func (f ipFamily) is() rule {
	return rule{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equal([]byte{f.proto})}
}

// ipFamily has the places of addresses in a packet.
type ipFamily struct {
	proto         byte
	source, dest  uint32
	length        uint32
	address       nftables.SetDatatype
	suffix        string
	words         uint32 // registers of 4 bytes for an address
	loopbackRange netip.Prefix
}

var families = []ipFamily{
	{unix.NFPROTO_IPV4, 12, 16, 4, nftables.TypeIPAddr, "4", 1, netip.MustParsePrefix("127.0.0.0/8")},
	{unix.NFPROTO_IPV6, 8, 24, 16, nftables.TypeIP6Addr, "6", 4, netip.MustParsePrefix("::1/128")},
}

func familyOf(a netip.Addr) ipFamily {
	if a.Is4() {
		return families[0]
	}
	return families[1]
}

// within: ip saddr PREFIX, or daddr by its offset.
func (f ipFamily) within(offset uint32, p netip.Prefix) rule {
	mask := make([]byte, f.length)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return f.is().and(rule{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.length},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: f.length, Mask: mask, Xor: make([]byte, f.length)},
		equal(p.Masked().Addr().AsSlice()),
	})
}

// key loads parts of the packet one after the other, as the key of a set.
type key struct {
	rule rule
	next uint32
}

func (f ipFamily) key() *key { return &key{rule: f.is(), next: word} }

func (k *key) load(base expr.PayloadBase, offset, length uint32) *key {
	k.rule = append(k.rule, &expr.Payload{DestRegister: k.next, Base: base, Offset: offset, Len: length})
	k.next += (length + 3) / 4
	return k
}

// index returns the place of the family in families.
func (f ipFamily) index() int {
	return slices.IndexFunc(families, func(o ipFamily) bool { return o.proto == f.proto })
}

func (f ipFamily) loadSource(k *key) *key {
	return k.load(expr.PayloadBaseNetworkHeader, f.source, f.length)
}

func (f ipFamily) loadDest(k *key) *key {
	return k.load(expr.PayloadBaseNetworkHeader, f.dest, f.length)
}

// protocol: meta l4proto.
func (k *key) protocol() *key {
	k.rule = append(k.rule, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: k.next})
	k.next++
	return k
}

// port: th dport.
func (k *key) port() *key { return k.load(expr.PayloadBaseTransportHeader, 2, 2) }

// in: KEY @SET.
func (k *key) in(s *nftables.Set) rule {
	return append(k.rule, &expr.Lookup{SourceRegister: word, SetName: s.Name, SetID: s.ID})
}

// dnat: dnat to KEY map @MAP, an address and a port.
func (f ipFamily) dnat(k *key, m *nftables.Set) rule {
	return append(k.rule,
		&expr.Lookup{SourceRegister: word, DestRegister: word, IsDestRegSet: true, SetName: m.Name, SetID: m.ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.proto), RegAddrMin: word, RegProtoMin: word + f.words, Specified: true},
	)
}

// local: fib daddr type local. Or the source address.
func local(source bool, is bool) rule {
	compare := equal
	if !is {
		compare = differs
	}
	return rule{
		&expr.Fib{Register: register, ResultADDRTYPE: true, FlagSADDR: source, FlagDADDR: !source},
		compare(native(unix.RTN_LOCAL)),
	}
}

// forged: fib saddr . iif oif 0. No route to the source leaves by the link on which the packet came.
func forged() rule {
	return rule{
		&expr.Fib{Register: register, ResultOIF: true, FlagSADDR: true, FlagIIF: true},
		equal(native(0)),
	}
}

// The bits of a connection's state and status (nf_conntrack_common.h).
const (
	ctEstablished = 1 << 1
	ctRelated     = 1 << 2
	ctNew         = 1 << 3
	ctDNAT        = 1 << 5
)

// connection: ct state STATES, or ct status.
func connection(what expr.CtKey, bits uint32) rule {
	return rule{
		&expr.Ct{Key: what, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: native(bits), Xor: native(0)},
		differs(native(0)),
	}
}

// carries: meta l4proto PROTOCOL.
func carries(protocol byte) rule {
	return rule{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, equal([]byte{protocol})}
}

// icmpType: icmp type TYPE.
func icmpType(kind byte) rule {
	return rule{&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, equal([]byte{kind})}
}

// linkNamed: iifname NAME.
func linkNamed(name string) rule {
	padded := make([]byte, 16)
	copy(padded, name)
	return rule{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}, equal(padded)}
}

func verdict(k expr.VerdictKind) rule { return rule{&expr.Verdict{Kind: k}} }

func jump(chain string) rule { return rule{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}} }

// count: counter name NAME.
func count(name string) rule { return rule{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: name}} }

// countLink: iif @SET, whose element counts the packet.
func countLink(s *nftables.Set) rule {
	return rule{&expr.Meta{Key: expr.MetaKeyIIF, Register: register}, &expr.Lookup{SourceRegister: register, SetName: s.Name, SetID: s.ID}}
}

// countHere: counter. It belongs to the rule.
func countHere() rule { return rule{&expr.Counter{}} }

// faster: limit rate over BYTES bytes/second burst BURST bytes.
func faster(bytes uint64) rule {
	return rule{&expr.Limit{Type: expr.LimitTypePktBytes, Unit: expr.LimitTimeSecond, Over: true, Rate: bytes, Burst: burst}}
}

// The verdicts.
var (
	accept     = verdict(expr.VerdictAccept)
	drop       = verdict(expr.VerdictDrop)
	giveBack   = verdict(expr.VerdictReturn)
	masquerade = rule{&expr.Masq{}}
	reset      = rule{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
	prohibited = rule{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
)
