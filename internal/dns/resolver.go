package dns

import (
	"net/netip"
	"os"
	"slices"
	"strings"
)

// The resolver files of a host. The second one has the nameservers behind the stub of
// systemd-resolved(8), which listens on a loopback address.
const (
	ResolverFile = "/etc/resolv.conf"
	UpstreamFile = "/run/systemd/resolve/resolv.conf"
)

// maxServers is the number of nameservers that the C library uses (resolv.conf(5)).
const maxServers = 3

// Resolver has the lines of a resolver file (resolv.conf(5)).
type Resolver struct {
	// Servers in order, with their zones.
	Servers []netip.Addr
	Search  []string
	Options []string
}

// ParseResolver parses a resolver file. Like the C library it ignores lines that it does not
// understand; the last search line counts.
func ParseResolver(text string) (r Resolver) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil {
				r.Servers = append(r.Servers, a.Unmap())
			}
		case "search":
			r.Search = words[1:]
		case "domain":
			r.Search = words[1:2]
		case "options":
			r.Options = append(r.Options, words[1:]...)
		}
	}
	return r
}

// Host is the way in which a host resolves names.
type Host struct {
	// Own is the host's resolver file, and Upstream the file of systemd-resolved, which may be
	// empty.
	Own, Upstream Resolver
}

// ReadHost reads the files. A missing file is empty, as for the C library.
func ReadHost() (Host, error) {
	var texts [2]string
	for i, path := range []string{ResolverFile, UpstreamFile} {
		b, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			return Host{}, err
		}
		texts[i] = string(b)
	}
	return Host{ParseResolver(texts[0]), ParseResolver(texts[1])}, nil
}

// Servers returns the nameservers that a process of the host asks. With none, the C library asks
// the local host.
func (h Host) Servers() []netip.Addr {
	if len(h.Own.Servers) == 0 {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return h.Own.Servers[:min(len(h.Own.Servers), maxServers)]
}

// Reach selects the nameservers that a vassal can reach.
type Reach struct {
	// IPv4 and IPv6: the vassal has an address of that family.
	IPv4, IPv6 bool
	// Own reports whether an address is one of the host's own, where the policy lets no vassal
	// in. Nil: none is.
	Own func(netip.Addr) bool
}

// reaches reports whether a vassal can reach a nameserver. A loopback address is another one in
// the vassal's network, and a zone names an interface that the vassal does not have.
func (r Reach) reaches(server netip.Addr) bool {
	family := r.IPv6
	if server.Is4() {
		family = r.IPv4
	}
	return family && server.Zone() == "" && !server.IsLoopback() && !server.IsUnspecified() &&
		!server.IsLinkLocalUnicast() && !server.IsMulticast() && (r.Own == nil || !r.Own(server))
}

// reachable returns the resolver file with the nameservers that a vassal can reach. When the
// host asks the stub of systemd-resolved, these are the nameservers behind it.
func (h Host) reachable(reach Reach) Resolver {
	found := h.Own
	if found.Servers = filter(h.Own.Servers, reach); len(found.Servers) == 0 && slices.ContainsFunc(h.Own.Servers, isStub) {
		found = h.Upstream
		found.Servers = filter(h.Upstream.Servers, reach)
	}
	found.Servers = found.Servers[:min(len(found.Servers), maxServers)]
	return found
}

func filter(servers []netip.Addr, reach Reach) (found []netip.Addr) {
	for _, s := range servers {
		if reach.reaches(s) && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return found
}

// isStub reports whether an address is one of the two on which systemd-resolved listens.
func isStub(a netip.Addr) bool {
	return a == netip.AddrFrom4([4]byte{127, 0, 0, 53}) || a == netip.AddrFrom4([4]byte{127, 0, 0, 54})
}
