package spec

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Wish is the place of a vassal in the network, as its file and the emperor's options give it.
type Wish struct {
	// Mode is how the vassal is connected. The zero value is none.
	Mode Mode
	// Addresses are its own, at most one of each family, in place of addresses of the pool.
	Addresses []netip.Addr
	// Interface is the name of its interface. Empty: eth0.
	Interface string
	// Publish are ports of the host that lead to it, and Allow the clients that may reach it.
	Publish []Publication
	Allow   []Allowance
	// Limit of its traffic. Zero: none.
	Limit Rate
	// MAC of its interface. Nil: derived from its name.
	MAC net.HardwareAddr
	// Routes are further prefixes that lead to it.
	Routes []netip.Prefix
	// MTU of its interface, in bytes. Zero: the emperor's.
	MTU int
	// DNS is how it resolves names.
	DNS DNS
	// RestartLost: the vassal starts again when its link is lost.
	RestartLost bool
}

// Connects reports whether a vassal with this wish is connected at all.
func (w Wish) Connects() bool { return w.Mode.Kind != "" && w.Mode.Kind != None }

// DefaultInterface is the name of a vassal's interface.
const DefaultInterface = "eth0"

// ParseInterface parses the name of an interface (dev_valid_name of the kernel). lo is taken.
func ParseInterface(text string) (string, error) {
	const longest = 15 // IFNAMSIZ - 1
	if text == "" || len(text) > longest || text == "." || text == ".." || text == "lo" || strings.ContainsAny(text, "/:% \t\n") {
		return "", fmt.Errorf("%q cannot be an interface", text)
	}
	return text, nil
}

// ParseMAC parses the hardware address of one interface.
func ParseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		return nil, fmt.Errorf("%q is not a hardware address", text)
	case mac[0]&1 != 0:
		return nil, fmt.Errorf("%q is the address of a group", text)
	}
	return mac, nil
}

// ParseMTU returns an error for an MTU that no link of a vassal can have. IPv6 needs 1280.
func ParseMTU(n int) (int, error) {
	if n < 1280 || n > 65535 {
		return 0, errors.New("not an MTU (1280 to 65535)")
	}
	return n, nil
}

// NAT selects the addresses of vassals that are masqueraded. The zero value masquerades private ones.
type NAT string

// The words of ParseNAT.
const (
	NATOn  NAT = "on"
	NATOff NAT = "off"
	NAT4   NAT = "4"
	NAT6   NAT = "6"
)

// ParseNAT parses on, off, 4 or 6.
func ParseNAT(text string) (NAT, error) {
	switch n := NAT(text); n {
	case NATOn, NATOff, NAT4, NAT6:
		return n, nil
	}
	return "", fmt.Errorf("%q does not select the addresses that are masqueraded", text)
}

// Of reports whether addresses of a prefix are masqueraded.
func (n NAT) Of(p netip.Prefix) bool {
	switch n {
	case NATOn:
		return true
	case NATOff:
		return false
	case NAT4:
		return p.Addr().Is4()
	case NAT6:
		return p.Addr().Is6()
	}
	return p.Addr().IsPrivate()
}

// Reach selects the parts of the host that vassals reach.
type Reach struct {
	// All of it. Otherwise Ports.
	All   bool
	Ports []Ports
}

// ParseReach parses deny, allow, or PORT/PROTO,... as in ParsePorts.
func ParseReach(text string) (r Reach, err error) {
	switch text {
	case "deny":
		return r, nil
	case "allow":
		return Reach{All: true}, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		p, err := ParsePorts(strings.TrimSpace(part))
		if err != nil {
			return Reach{}, err
		}
		r.Ports = append(r.Ports, p)
	}
	return r, nil
}
