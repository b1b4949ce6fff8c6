package address

import (
	"net/netip"
	"path/filepath"
	"strconv"
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

// Meets reports whether two sockets cannot be in both places at a time.
func (p Place) Meets(o Place) bool {
	if p.path != "" || p.port == "" {
		return p.path != "" && p.path == o.path
	}
	return p.port == o.port && (p.host == o.host || collide(p.four, o.four) || collide(p.six, o.six))
}

func collide(a, b netip.Addr) bool {
	return a.IsValid() && b.IsValid() && (a == b || a.IsUnspecified() || b.IsUnspecified())
}
