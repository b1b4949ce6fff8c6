package emperor

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// Place is where an address leads, whatever its spelling.
type Place struct {
	// path is of a unix socket: absolute, without symbolic links; an abstract one
	// begins with @.
	path string
	// host and port are as they are written, and four and six the address of the host
	// in each family, where that is known.
	host, port string
	four, six  netip.Addr
}

// Placed finds out where an address leads that is written as uWSGI does: a path, a
// path that begins with @, or host:port. A relative path is one in dir. It looks at
// the directories of a path, so it may block.
func Placed(address, dir string) Place {
	if isUnix(address) {
		if strings.HasPrefix(address, "@") {
			return Place{path: address}
		}
		if !filepath.IsAbs(address) {
			address = filepath.Join(dir, address)
		}
		above, name := filepath.Split(filepath.Clean(address))
		if real, err := filepath.EvalSymlinks(above); err == nil {
			above = real
		}
		return Place{path: filepath.Join(above, name)}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(address, "fd://") {
		return Place{}
	}
	p := Place{port: port, host: host}
	ip, err := netip.ParseAddr(host)
	switch ip = ip.Unmap(); {
	case host == "", host == "*":
		p.four, p.six = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	case host == "localhost":
		p.four, p.six = netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	case err == nil && ip.Is4():
		p.four = ip
	case err == nil:
		p.six = ip
	}
	return p
}

// meets reports whether two sockets cannot be in both places at a time.
func (p Place) meets(o Place) bool {
	if p.path != "" || p.port == "" {
		return p.path != "" && p.path == o.path
	}
	return p.port == o.port && (p.host == o.host || collide(p.four, o.four) || collide(p.six, o.six))
}

func collide(a, b netip.Addr) bool {
	return a.IsValid() && b.IsValid() && (a == b || a.IsUnspecified() || b.IsUnspecified())
}
