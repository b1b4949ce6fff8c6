package webserver

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// errUntrusted and errNoHeader are reasons to close a connection before its first request.
var (
	errUntrusted = errors.New("a header of the PROXY protocol from a peer outside proxy-protocol-from")
	errNoHeader  = errors.New("no header of the PROXY protocol, which enable-proxy-protocol requires of this peer")
)

// proxied is the beginning of a connection that may have a header of the PROXY protocol, versions
// 1 and 2 (haproxy.org, doc/proxy-protocol.txt). A trusted peer must send one, any other must not.
// The header is read once, by the goroutine that first needs an address or a byte: accepting never
// waits for a client.
type proxied struct {
	trusted bool
	log     *slog.Logger

	once     sync.Once
	in       *bufio.Reader // bytes that follow the header
	from, to net.Addr      // of the client's connection to the proxy; nil: as of this connection
	tls      bool          // the client's connection to the proxy has TLS
	failed   bool          // there is no request
}

const (
	// sslSize is the size of the part PP2_TYPE_SSL without parts of its own.
	sslSize = 5
	// clientSSL is the flag PP2_CLIENT_SSL.
	clientSSL = 1
)

// trusts reports whether a peer may name its client. A local peer has passed the permissions of the
// socket, or is in the network namespace of the server.
func trusts(peer net.Addr, from []netip.Prefix) bool {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return peer.Network() == "unix"
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	return a.IsLoopback() || slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(a) })
}

// begin reads the header if that has not happened yet.
func (p *proxied) begin(c *conn) {
	p.once.Do(func() {
		p.in = bufio.NewReader(bytesOf{c})
		if c.Conn.SetReadDeadline(time.Now().Add(headerTimeout)) != nil {
			p.failed = true
			return
		}
		err := p.readHeader()
		if err == nil {
			err = c.Conn.SetReadDeadline(time.Time{})
		}
		if err == nil {
			return
		}
		p.failed = true
		if !silent(err) {
			p.log.Warn("refused a connection", "peer", c.Conn.RemoteAddr().String(), "error", err)
		}
		c.Conn.Close()
	})
}

// silent reports whether a peer has left or has sent nothing, as health checks of a port do.
func silent(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

func (p *proxied) readHeader() error {
	if _, err := p.in.Peek(1); err != nil {
		return err
	}
	header, err := proxyproto.Read(p.in)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		if p.trusted {
			return errNoHeader
		}
		return nil
	case !p.trusted: // also when the header is invalid
		return errUntrusted
	case err != nil:
		return err
	}
	from, to, ok := header.TCPAddrs()
	if !ok || !header.Command.IsProxy() {
		return nil // of the proxy's own connection, or of a client without an IP address
	}
	p.from, p.to = from, to
	tlvs, err := header.TLVs()
	if err != nil {
		return err
	}
	// The first byte of this part is a set of flags (proxy-protocol.txt, 2.2.5). Package tlvparse would compile
	// expressions at each start of the server.
	for _, part := range tlvs {
		if part.Type == proxyproto.PP2_TYPE_SSL && len(part.Value) >= sslSize {
			p.tls = part.Value[0]&clientSSL != 0
		}
	}
	return nil
}

// bytesOf reads from the kernel.
type bytesOf struct{ c *conn }

// Read returns bytes from the kernel, which may begin with the header of the PROXY protocol.
func (b bytesOf) Read(to []byte) (int, error) { return b.c.receive(to) }

// read returns bytes that follow the header. net/http does not answer at io.EOF.
func (p *proxied) read(c *conn, b []byte) (int, error) {
	p.begin(c)
	switch {
	case p.failed:
		return 0, io.EOF
	case p.in != nil && p.in.Buffered() > 0:
		return p.in.Read(b)
	}
	p.in = nil // its memory
	return c.receive(b)
}

// RemoteAddr returns the address of the client, which a trusted peer may have named.
func (c *conn) RemoteAddr() net.Addr {
	if p := c.proxied; p != nil {
		if p.begin(c); p.from != nil {
			return p.from
		}
	}
	return c.Conn.RemoteAddr()
}

// LocalAddr returns the address to which the client connected.
func (c *conn) LocalAddr() net.Addr {
	if p := c.proxied; p != nil {
		if p.begin(c); p.to != nil {
			return p.to
		}
	}
	return c.Conn.LocalAddr()
}
