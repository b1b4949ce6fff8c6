package network

import (
	"net/netip"

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
		for _, a := range allowed {
			for _, from := range a.From {
				if from.Addr().Is4() == to.Is4() {
					list = append(list, opened(f, own, from, a))
				}
			}
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

// opened returns the element that lets a prefix reach a vassal.
func opened(f ipFamily, to []byte, from netip.Prefix, a Allowed) Element {
	first, last := from.Masked().Addr().AsSlice(), from.Masked().Addr().AsSlice()
	for i := from.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	low, high := join([]byte{0}, []byte{0, 0}), join([]byte{0xff}, []byte{0xff, 0xff})
	if a.Port != 0 {
		low = join([]byte{protocolNumber(a.Protocol)}, bigEndian(a.Port))
		high = low
	}
	return Element{"open" + f.suffix, nftables.SetElement{Key: join(first, to, low), KeyEnd: join(last, to, high)}}
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
