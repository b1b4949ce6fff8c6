package dns

import (
	"path"
	"strings"
)

// Zone is the domain of the vassals' names. The top-level domain internal is reserved for private
// use, so that no question for it has an answer elsewhere.
const Zone = "emperor.internal"

// HostLabel is the name of the host in the zone.
const HostLabel = "host"

// The limits of names (RFC 1035, section 2.3.4), without the dot at the end.
const (
	maxName  = 253
	maxLabel = 63
)

// NamesOf returns the names of a vassal in the zone, without the zone: shop.ini and shop for
// shop.ini. Bytes that no host name has become hyphens. A name that is too long is left out.
func NamesOf(vassal string) (names []string) {
	whole := hostName(vassal)
	if fits(whole) {
		names = append(names, whole)
	}
	if short := hostName(strings.TrimSuffix(vassal, path.Ext(vassal))); short != whole && fits(short) {
		names = append(names, short)
	}
	return names
}

// hostName returns a text in the letters of host names, without empty labels.
func hostName(text string) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, text)
	labels := strings.FieldsFunc(mapped, func(r rune) bool { return r == '.' })
	return strings.Join(labels, ".")
}

func fits(name string) bool {
	if name == "" || name == HostLabel || len(name)+1+len(Zone) > maxName {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > maxLabel {
			return false
		}
	}
	return true
}
