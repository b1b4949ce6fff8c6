package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Mode is the value of emperor-network-dns and network-dns.
type Mode string

// The modes.
const (
	// Auto: the host's nameservers that the vassal can reach; without any, Forward.
	Auto Mode = "auto"
	// Off: the vassal reads the host's files.
	Off Mode = "off"
	// Names: the responder answers for the names of vassals, and the host's nameservers that
	// the vassal can reach for other names.
	Names Mode = "names"
	// Forward: the responder answers for the names of vassals and passes other questions on to
	// the nameservers of the host.
	Forward Mode = "forward"
)

// Modes lists the modes in the order of the documents.
func Modes() []Mode { return []Mode{Auto, Off, Names, Forward} }

// ParseMode parses a mode.
func ParseMode(text string) (Mode, error) {
	if m := Mode(text); slices.Contains(Modes(), m) {
		return m, nil
	}
	return "", fmt.Errorf("%q is no way to resolve names (auto, off, names or forward)", text)
}

// Choice is the way in which one vassal resolves names.
type Choice struct {
	// Mode is Auto when only nameservers of the host are used, and otherwise Off, Names or
	// Forward.
	Mode Mode
	Resolver
}

// Choose chooses for a vassal. The gateways are the addresses of the host, one of each family of
// the vassal, at which the responder answers.
func (h Host) Choose(m Mode, reach Reach, gateways []netip.Addr) Choice {
	if m == Off {
		return Choice{Mode: Off}
	}
	own := h.reachable(reach)
	if m == Auto && len(own.Servers) == 0 {
		m = Forward
	}
	switch m {
	case Forward:
		own = h.Own
		own.Servers = gateways
	case Names:
		own.Servers = append(slices.Clone(gateways), own.Servers...)
		own.Servers = own.Servers[:min(len(own.Servers), maxServers)]
	default:
	}
	return Choice{m, own}
}

// Responds reports whether the choice needs the responder.
func (c Choice) Responds() bool { return c.Mode == Names || c.Mode == Forward }

// File returns the text of the vassal's resolver file.
func (c Choice) File() string {
	var b strings.Builder
	b.WriteString("# Made by emperor for this vassal (network-dns = " + string(c.Mode) + ").\n")
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(c.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(c.Search, " "))
	}
	// The responder is no validating resolver, and no nameserver of a network is trusted.
	options := slices.DeleteFunc(slices.Clone(c.Options), func(o string) bool { return o == "trust-ad" })
	if len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return b.String()
}
