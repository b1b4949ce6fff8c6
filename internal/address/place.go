package address

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Place is the destination of an address, independent of its spelling.
type Place struct {
	// path of a unix socket: absolute, without symbolic links. An abstract name begins with @.
	path string
	// host and port as written, and the host's IPv4 and IPv6 address where they are known.
	host, port string
	four, six  netip.Addr
}

// Placed resolves an address in uWSGI's spelling: a path, @ and an abstract name, or
// host:port. A relative path starts in dir. Placed reads the directories of a path, so it may
// block.
func Placed(text, dir string) Place {
	to, err := Parse(text)
	switch {
	case err != nil || strings.HasPrefix(text, "fd://"):
		return Place{}
	case to.Path != "" && !InFiles(text):
		return Place{path: text}
	case to.Path != "":
		above, name := filepath.Split(filepath.Clean(In(dir, text)))
		if real, err := filepath.EvalSymlinks(above); err == nil {
			above = real
		}
		return Place{path: filepath.Join(above, name)}
	}
	p := Place{port: strconv.Itoa(int(to.Port)), host: to.Host}
	ip, err := netip.ParseAddr(to.Host)
	switch ip = ip.Unmap(); {
	case to.Host == "", to.Host == "*":
		p.four, p.six = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	case to.Host == "localhost":
		p.four, p.six = netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	case err == nil && ip.Is4():
		p.four = ip
	case err == nil:
		p.six = ip
	}
	return p
}

// Meets reports whether two sockets cannot be bound to both places at the same time. The kernel
// gives each socket at port 0 a port of its own.
func (p Place) Meets(o Place) bool {
	if p.path != "" || p.port == "" {
		return p.path != "" && p.path == o.path
	}
	if p.port == "0" {
		return false
	}
	return p.port == o.port && (p.host == o.host || collide(p.four, o.four) || collide(p.six, o.six))
}

func collide(a, b netip.Addr) bool {
	return a.IsValid() && b.IsValid() && (a == b || a.IsUnspecified() || b.IsUnspecified())
}
