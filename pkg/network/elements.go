package network

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Allowed is an allowance whose vassal has been resolved to its addresses.
type Allowed struct {
	From     []netip.Prefix
	Port     uint16 // zero: any
	Protocol spec.Protocol
}

// elementsOf returns the elements of one vassal: its published ports and the clients that may
// reach it.
func elementsOf(addresses []netip.Addr, published []spec.Publication, allowed []Allowed) (list []Element) {
	for _, to := range addresses {
		f := familyOf(to)
		own := to.AsSlice()
		if len(published) > 0 {
			list = append(list, Element{"itself" + f.suffix, nftables.SetElement{Key: join(own, own)}})
		}
		for _, p := range published {
			list = append(list, publishedAt(f, own, p)...)
		}
		for _, o := range openings(to.Is4(), allowed) {
			list = append(list, o.element(f, own))
		}
	}
	return list
}

// publishedAt returns an element for each port of a publication.
func publishedAt(f ipFamily, to []byte, p spec.Publication) (list []Element) {
	if p.Address.IsValid() && p.Address.Is4() != (f.length == 4) {
		return nil
	}
	for i := range p.Last - p.First + 1 {
		set, key := "publish", join([]byte{protocolNumber(p.Protocol)}, bigEndian(p.First+i))
		if p.Address.IsValid() {
			set, key = "publish-at", join(p.Address.AsSlice(), key)
		}
		list = append(list, Element{set + f.suffix, nftables.SetElement{Key: key, Val: join(to, bigEndian(p.To+i))}})
	}
	return list
}

// opening is a prefix that may reach a vassal, at all ports between two. Ports are numbers with
// their protocol: tcp and 80 are 6<<16 + 80.
type opening struct {
	from       netip.Prefix
	first, end uint32
}

const allPorts = 0xFF_FFFF

// openings returns the allowances of one family as openings that do not overlap: the kernel
// refuses elements that do.
func openings(v4 bool, allowed []Allowed) (list []opening) {
	var every, exact []opening
	for _, a := range allowed {
		for _, p := range a.From {
			switch o := (opening{from: p.Masked(), end: allPorts}); {
			case p.Addr().Is4() != v4:
			case a.Port == 0:
				every = append(every, o)
			default:
				o.first = uint32(protocolNumber(a.Protocol))<<16 | uint32(a.Port)
				o.end = o.first
				exact = append(exact, o)
			}
		}
	}
	every, exact = widest(every, nil), widest(exact, every)
	for _, e := range every {
		list = append(list, e.without(exact)...)
	}
	return append(list, exact...)
}

// widest drops the openings that are within another one of the list, or of more.
func widest(list, more []opening) (wide []opening) {
	for i, o := range list {
		within := func(p opening) bool {
			return p.from.Overlaps(o.from) && p.from.Bits() <= o.from.Bits() && p.first <= o.first && o.end <= p.end
		}
		later := func(p opening) bool { return p != o && within(p) }
		if !slices.ContainsFunc(list, later) && !slices.Contains(list[:i], o) && !slices.ContainsFunc(more, within) {
			wide = append(wide, o)
		}
	}
	return wide
}

// without cuts the ports of the openings that overlap it out of an opening for all ports.
func (o opening) without(others []opening) (list []opening) {
	var ports []uint32
	for _, x := range others {
		if x.from.Overlaps(o.from) {
			ports = append(ports, x.first)
		}
	}
	slices.Sort(ports)
	rest := o
	for _, p := range slices.Compact(ports) {
		list = append(list, rest.upTo(p)...)
		rest.first = p + 1
	}
	return append(list, rest.upTo(allPorts+1)...)
}

// upTo divides the part of an opening before a port into ranges of protocols and of ports: the
// kernel compares both by themselves.
func (o opening) upTo(end uint32) (list []opening) {
	for o.first < end {
		part := opening{o.from, o.first, min(o.first|0xFFFF, end-1)}
		if o.first&0xFFFF == 0 && end>>16 > o.first>>16 {
			part.end = end>>16<<16 - 1
		}
		list = append(list, part)
		o.first = part.end + 1
	}
	return list
}

// element lets the prefix reach a vassal.
func (o opening) element(f ipFamily, to []byte) Element {
	first, last := o.from.Addr().AsSlice(), o.from.Addr().AsSlice()
	for i := o.from.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	key := func(address []byte, port uint32) []byte {
		return join(address, to, []byte{byte(port >> 16)}, bigEndian(uint16(port)))
	}
	return Element{"open" + f.suffix, nftables.SetElement{Key: key(first, o.first), KeyEnd: key(last, o.end)}}
}

// join concatenates the parts of a key. Each one takes a multiple of 4 bytes.
func join(parts ...[]byte) (key []byte) {
	for _, p := range parts {
		key = append(key, p...)
		for len(key)%4 != 0 {
			key = append(key, 0)
		}
	}
	return key
}
