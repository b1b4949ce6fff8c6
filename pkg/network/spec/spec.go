// Package spec has the values of network options: how a vassal is connected, which of its
// ports are published and which clients may reach it. It is a leaf, so that a program that
// only reads options does not link the rest.
package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/vassalname"
)

// Protocol is tcp or udp.
type Protocol string

// The protocols that have ports here.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Ports is a range of ports of one protocol, perhaps at one address of the host.
type Ports struct {
	// Address of the host. Invalid: all of them.
	Address     netip.Addr
	First, Last uint16
	Protocol    Protocol
}

// ParsePorts parses [ADDRESS:]FIRST[-LAST][/PROTO], as 8000-8999 or 192.0.2.1:53/udp.
func ParsePorts(text string) (p Ports, err error) {
	rest, err := p.protocol(text)
	if err != nil {
		return Ports{}, err
	}
	if rest, err = p.address(rest); err != nil {
		return Ports{}, err
	}
	if p.First, p.Last, err = portRange(rest); err != nil {
		return Ports{}, err
	}
	return p, nil
}

// protocol cuts off /tcp or /udp.
func (p *Ports) protocol(text string) (rest string, err error) {
	rest, name, given := strings.Cut(text, "/")
	p.Protocol = TCP
	if given {
		p.Protocol = Protocol(name)
	}
	if p.Protocol != TCP && p.Protocol != UDP {
		return "", fmt.Errorf("%q is not a protocol with ports (tcp or udp)", name)
	}
	return rest, nil
}

// address cuts off an address, which has brackets if it is of IPv6.
func (p *Ports) address(text string) (rest string, err error) {
	if !strings.HasPrefix(text, "[") && strings.Count(text, ".") != 3 {
		return text, nil
	}
	end := strings.LastIndex(text, "]:") + 1
	if end == 0 {
		end = strings.Index(text, ":")
	}
	if end <= 0 {
		return "", fmt.Errorf("%q has no port", text)
	}
	if p.Address, err = netip.ParseAddr(strings.Trim(text[:end], "[]")); err != nil || p.Address.Zone() != "" {
		return "", fmt.Errorf("%q is not an IP address", text[:end])
	}
	p.Address = p.Address.Unmap()
	if p.Address.IsUnspecified() {
		p.Address = netip.Addr{}
	}
	return text[end+1:], nil
}

func portRange(text string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if first, err = port(from); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = port(to); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("%q is not a range: its end is before its start", text)
	}
	return first, last, nil
}

func port(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port (1 to 65535)", text)
	}
	return uint16(n), nil
}

// Contains reports whether all of q is within p. Where p is about all addresses, q may be about one.
func (p Ports) Contains(q Ports) bool {
	return p.Protocol == q.Protocol && p.First <= q.First && q.Last <= p.Last && (!p.Address.IsValid() || p.Address == q.Address)
}

// Overlaps reports whether a port is in both.
func (p Ports) Overlaps(q Ports) bool {
	return p.Protocol == q.Protocol && p.First <= q.Last && q.First <= p.Last &&
		(!p.Address.IsValid() || !q.Address.IsValid() || p.Address == q.Address)
}

// String prints the syntax of ParsePorts.
func (p Ports) String() string {
	s := ""
	if p.Address.IsValid() {
		s = strings.TrimSuffix(netip.AddrPortFrom(p.Address, 0).String(), "0")
	}
	s += strconv.Itoa(int(p.First))
	if p.Last != p.First {
		s += "-" + strconv.Itoa(int(p.Last))
	}
	if p.Protocol == UDP {
		s += "/udp"
	}
	return s
}

// Publication is a range of ports of the host that lead to a vassal.
type Publication struct {
	Ports
	// To is the vassal's port for the first of them; the others follow it.
	To uint16
}

// MaxPublished is the largest number of ports in one publication.
const MaxPublished = 1024

// ParsePublication parses [ADDRESS:]HOSTPORT[-PORT][:VASSALPORT][/tcp or /udp].
func ParsePublication(text string) (p Publication, err error) {
	rest, err := p.protocol(text)
	if err != nil {
		return Publication{}, err
	}
	if rest, err = p.address(rest); err != nil {
		return Publication{}, err
	}
	host, to, given := strings.Cut(rest, ":")
	if p.First, p.Last, err = portRange(host); err != nil {
		return Publication{}, err
	}
	p.To = p.First
	if given {
		if p.To, err = port(to); err != nil {
			return Publication{}, err
		}
	}
	if int(p.Last-p.First) >= MaxPublished {
		return Publication{}, fmt.Errorf("%q has more than %d ports", text, MaxPublished)
	}
	if int(p.To)+int(p.Last-p.First) > 65535 {
		return Publication{}, fmt.Errorf("%q ends beyond port 65535 of the vassal", text)
	}
	return p, nil
}

// String prints the shortest syntax of ParsePublication.
func (p Publication) String() string {
	ports := p.Ports
	ports.Protocol = TCP
	s := ports.String()
	if p.To != p.First {
		s += ":" + strconv.Itoa(int(p.To))
	}
	if p.Protocol == UDP {
		s += "/udp"
	}
	return s
}

// Allowance is a client that may reach a vassal: another vassal or a prefix, perhaps at one port only.
type Allowance struct {
	// Vassal is a vassal's name. Empty: Prefix.
	Vassal string
	Prefix netip.Prefix
	// Port is the vassal's own. Zero: any.
	Port uint16
	// Protocol is empty where any is meant.
	Protocol Protocol
}

// ParseAllowance parses VASSAL or PREFIX, with [:PORT[/PROTO]] after it. A prefix of IPv6 that
// has a port stands in brackets.
func ParseAllowance(text string) (a Allowance, err error) {
	who, at := text, ""
	switch i := strings.LastIndex(text, ":"); {
	case strings.HasPrefix(text, "["):
		end := strings.Index(text, "]")
		if end < 0 {
			return a, fmt.Errorf("%q has no closing bracket", text)
		}
		who, at = text[1:end], strings.TrimPrefix(text[end+1:], ":")
		if len(text) > end+1 && text[end+1] != ':' {
			return a, fmt.Errorf("%q has something other than a port after its bracket", text)
		}
	case i > 0 && strings.Count(text, ":") == 1:
		who, at = text[:i], text[i+1:]
	}
	if who == "" {
		return a, fmt.Errorf("%q names no vassal and no prefix", text)
	}
	if a.who(who); a.Vassal != "" && (who[0] == '-' || strings.HasPrefix(text, "[") || strings.ContainsAny(who, ":/[] \t")) {
		return Allowance{}, fmt.Errorf("%q is neither a vassal nor an IP prefix", who)
	}
	if at == "" && who != text && !strings.HasPrefix(text, "[") {
		return Allowance{}, fmt.Errorf("%q has no port after its colon", text)
	}
	if at == "" {
		return a, nil
	}
	var p Ports
	rest, err := p.protocol(at)
	if err == nil {
		a.Port, err = port(rest)
	}
	if a.Protocol = p.Protocol; err != nil {
		return Allowance{}, err
	}
	return a, nil
}

// MayName reports whether the allowance can be about a vassal: Vassal is its name, or its name
// without .ini when there is no vassal of that name.
func (a Allowance) MayName(vassal string) bool { return vassalname.MayMean(a.Vassal, vassal) }

func (a *Allowance) who(text string) {
	if p, err := netip.ParsePrefix(text); err == nil {
		a.Prefix = p.Masked()
	} else if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		a.Prefix = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
	} else {
		a.Vassal = text
	}
}

// String prints the syntax of ParseAllowance.
func (a Allowance) String() string {
	s := a.Vassal
	if s == "" {
		s = a.Prefix.String()
	}
	if a.Port == 0 {
		return s
	}
	if a.Vassal == "" && a.Prefix.Addr().Is6() {
		s = "[" + s + "]"
	}
	s += ":" + strconv.Itoa(int(a.Port))
	if a.Protocol == UDP {
		s += "/udp"
	}
	return s
}
