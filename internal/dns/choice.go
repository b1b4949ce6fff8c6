package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Choice is the way in which one vassal resolves names.
type Choice struct {
	// Mode is DNSAuto when only nameservers of the host are used, and otherwise another one.
	Mode spec.DNS
	Resolver
}

// Choose chooses for a vassal. The gateways are the addresses of the host, one of each family of
// the vassal, at which the responder answers.
func (h Host) Choose(m spec.DNS, reach Reach, gateways []netip.Addr) Choice {
	if m == spec.DNSOff {
		return Choice{Mode: spec.DNSOff}
	}
	own := h.reachable(reach)
	if m == spec.DNSAuto && len(own.Servers) == 0 {
		m = spec.DNSForward
	}
	switch m {
	case spec.DNSForward:
		own = h.Own
		own.Servers = gateways
	case spec.DNSNames:
		own.Servers = append(slices.Clone(gateways), own.Servers...)
		own.Servers = own.Servers[:min(len(own.Servers), maxServers)]
	default:
	}
	return Choice{m, own}
}

// Answers reports whether vassals of this host with a mode get answers of the emperor. An empty mode is DNSAuto. own are
// the addresses of the host. On a host whose nameservers cannot be read they get none.
func Answers(m spec.DNS, own []netip.Addr) bool {
	if m == "" {
		m = spec.DNSAuto
	}
	h, err := ReadHost()
	reach := Reach{IPv4: true, IPv6: true, Own: func(a netip.Addr) bool { return slices.Contains(own, a) }}
	return err == nil && h.Choose(m, reach, nil).Responds()
}

// Responds reports whether the choice needs the responder.
func (c Choice) Responds() bool { return c.Mode == spec.DNSNames || c.Mode == spec.DNSForward }

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
