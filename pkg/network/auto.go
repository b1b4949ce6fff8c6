package network

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// autoBits4 is the length of the prefix that AutoPool takes of the range of IPv4.
const autoBits4 = 19

// AutoPool chooses a private prefix of each family by a seed, such as the id of the machine.
// It skips prefixes that overlap one in use: the host's own addresses and routes.
func AutoPool(seed string, inUse []netip.Prefix) ([]netip.Prefix, error) {
	v4, err4 := auto4(seed, inUse)
	v6, err6 := auto6(seed, inUse)
	if err := errors.Join(err4, err6); err != nil {
		return nil, err
	}
	return []netip.Prefix{v4, v6}, nil
}

func auto4(seed string, inUse []netip.Prefix) (netip.Prefix, error) {
	sum := sha256.Sum256([]byte("pool\x00" + seed))
	autoRange4 := spec.AutoRanges()[0]
	blocks := uint32(1) << (autoBits4 - autoRange4.Bits())
	start := binary.BigEndian.Uint32(sum[:4]) % blocks
	base := binary.BigEndian.Uint32(autoRange4.Addr().AsSlice())
	for i := range blocks {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], base+((start+i)%blocks)<<(32-autoBits4))
		if p := netip.PrefixFrom(netip.AddrFrom4(b), autoBits4); !overlaps(p, inUse) {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("the host uses all of 10.128.0.0/9 (emperor-network-pool = another prefix)")
}

func auto6(seed string, inUse []netip.Prefix) (netip.Prefix, error) {
	for i := range 100 {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte("pool6\x00"+seed), uint32(i)))
		b := [16]byte{0xfd}
		copy(b[1:6], sum[:]) // a unique local prefix with 40 random bits (RFC 4193)
		if p := netip.PrefixFrom(netip.AddrFrom16(b), 64); !overlaps(p, inUse) {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("the host uses fd00::/8 (emperor-network-pool = another prefix)")
}

// overlaps reports whether a prefix overlaps one of a list. Default routes do not count.
func overlaps(p netip.Prefix, list []netip.Prefix) bool {
	for _, q := range list {
		if q.Bits() > 0 && p.Overlaps(q) {
			return true
		}
	}
	return false
}
