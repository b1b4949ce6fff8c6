// Package address has the one grammar of socket addresses that all programs share. It is
// small: it does not import package net.
package address

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Address is the address of a socket: a path, a name in the abstract namespace, or a host and
// port.
type Address struct {
	// Path of a unix socket. An abstract name begins with @ (unix(7)).
	Path string
	// Host as written, without brackets, and its port. An empty host and * mean all IPv4
	// addresses. Both fields are ignored when Path is set.
	Host string
	Port uint16
}

// Parse reads an address. A text that begins with /, @ or a dot, that contains a slash, or
// that has no colon is the path of a unix socket. Any other text is HOST:PORT, :PORT or
// [HOST]:PORT.
func Parse(text string) (Address, error) {
	if text == "" || text == "@" {
		return Address{}, errors.New("no address")
	}
	host, number, ok := Split(text)
	if !ok {
		return Address{Path: text}, nil
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not a port", number)
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return Address{Host: host, Port: uint16(port)}, nil
}

// Split divides a written address into host and port, both as written. It reports false for a unix
// socket.
func Split(text string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 || strings.Contains(text, "/") || Abstract(text) || text[0] == '.' {
		return "", "", false
	}
	return text[:colon], text[colon+1:], true
}

// MaxPath is the longest path of a unix socket, and the longest abstract name without its @, in
// bytes (unix(7)).
const MaxPath = 107

// Abstract reports whether the path of a unix socket is a name in the abstract namespace.
func Abstract(path string) bool { return strings.HasPrefix(path, "@") }

// Authority adds a port to the authority of a URL (RFC 3986) that has none: a host, or an IPv6
// address in brackets. Abstract names and texts with a port are returned unchanged.
func Authority(text string, port uint16) string {
	host := strings.HasSuffix(text, "]") || !strings.Contains(text, ":")
	if !host || Abstract(text) {
		return text
	}
	return text + ":" + strconv.Itoa(int(port))
}

// IsUnix reports whether a written address is a unix socket.
func IsUnix(text string) bool {
	a, err := Parse(text)
	return err == nil && a.Path != ""
}

// InFiles reports whether a written address has a path in the file system.
func InFiles(text string) bool { return IsUnix(text) && !Abstract(text) }

// In returns a written address with a relative path joined to dir. Other addresses, and texts
// that are no address, are returned unchanged.
func In(dir, text string) string {
	if !InFiles(text) || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(dir, text)
}

// String writes the address as Parse reads it.
func (a Address) String() string {
	switch {
	case a.Path != "":
		return a.Path
	case strings.Contains(a.Host, ":"):
		return "[" + a.Host + "]:" + strconv.Itoa(int(a.Port))
	}
	return a.Host + ":" + strconv.Itoa(int(a.Port))
}

// maxQuote limits the printed part of a written address, in bytes.
const maxQuote = 64

// Quote quotes a text that should be an address for people, and shortens a long one.
func Quote(text string) string {
	if len(text) > maxQuote {
		return strconv.Quote(text[:maxQuote]) + "…"
	}
	return strconv.Quote(text)
}

// Network returns the network name that package net uses for the address.
func (a Address) Network() string {
	if a.Path != "" {
		return "unix"
	}
	return "tcp"
}

// Dialed returns the address in the form in which package net connects to it. Without a host
// it is this machine.
func (a Address) Dialed() string {
	if a.Path == "" && (a.Host == "" || a.Host == "*") {
		a.Host = "127.0.0.1"
	}
	return a.String()
}

// IP returns the host as a number: all of IPv4 for an empty host and for *, 127.0.0.1 for
// localhost, and the address of a name in /etc/hosts, such as the name of a container. Other
// names are an error: a name server must not decide on which address a server listens. (uWSGI
// asks one.)
func (a Address) IP() (netip.Addr, error) {
	switch a.Host {
	case "", "*":
		return netip.IPv4Unspecified(), nil
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	ip, err := netip.ParseAddr(a.Host)
	if err == nil {
		return ip, nil
	}
	if ip, ok := known(a.Host); ok {
		return ip, nil
	}
	return ip, fmt.Errorf("%s is not an IP address, and %s does not have it", Quote(a.Host), hostsFile)
}

// Answers reports whether a client of to reaches a socket that listens at a, on the same
// machine. Name servers are not asked.
func (a Address) Answers(to Address) bool {
	if a.Path != "" || to.Path != "" {
		return a.Path != "" && to.Path != "" && filepath.Clean(a.Path) == filepath.Clean(to.Path)
	}
	if a.Port != to.Port || a.Port == 0 {
		return false
	}
	here, err := a.IP()
	there, failed := to.IP()
	switch {
	case err != nil || failed != nil:
		return a.Host == to.Host
	case here.IsUnspecified():
		return here.Is6() || there.Is4() || there.Unmap().Is4()
	case there.IsUnspecified(): // a client of all addresses is sent to this machine
		return here.IsLoopback()
	}
	return here.Unmap() == there.Unmap()
}

// Numeric returns the address with its host as a number, for callers that must not look it up:
// package net resolves names, and tries several addresses of one name, on threads other than
// the caller's. A path, and all of IPv4, are returned unchanged.
func (a Address) Numeric() (Address, error) {
	if a.Path != "" || a.Host == "" || a.Host == "*" {
		return a, nil
	}
	ip, err := a.IP()
	a.Host = ip.String()
	return a, err
}

// Sockaddr returns the address in the kernel's form.
func (a Address) Sockaddr() (unix.Sockaddr, error) {
	if a.Path != "" {
		return &unix.SockaddrUnix{Name: a.Path}, nil
	}
	ip, err := a.IP()
	if err != nil {
		return nil, err
	}
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port), Addr: ip.As4()}, nil
	}
	zone, err := zone(ip.Zone())
	return &unix.SockaddrInet6{Port: int(a.Port), Addr: ip.As16(), ZoneId: zone}, err
}

// zone reads the interface behind a %, by number or by name.
func zone(name string) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	text, err := os.ReadFile("/sys/class/net/" + name + "/ifindex")
	if err != nil {
		return 0, fmt.Errorf("no interface %q", name)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return uint32(n), err
}
