package webserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/endpoint"
	"github.com/emperor-go/emperor/internal/listenfds"
)

// Socket is a listening socket. Its name is the option that declared it, which decides the
// protocol.
type Socket struct {
	Name     string
	Listener net.Listener
}

// inherited returns the sockets that the parent passed, and removes the variables about them from the
// environment.
func inherited() ([]Socket, error) {
	names, err := listenfds.Take()
	if err != nil {
		return nil, err
	}
	var sockets []Socket
	for i, name := range names {
		fd := listenfds.First + i
		f := os.NewFile(uintptr(fd), name)
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot use descriptor %d (%s): %w", fd, name, err)
		}
		sockets = append(sockets, Socket{name, l})
	}
	return sockets, nil
}

// listen makes a socket from an address: `:port`, `host:port` or a path.
func listen(name, text string) (Socket, error) {
	l, err := endpoint.Listen(text)
	return Socket{name, l}, err
}

// protocol returns a function that serves a socket until it is stopped, and makes sure that it
// can be stopped.
func (s *server) protocol(socket Socket) (serve func() error, err error) {
	l := &listener{Listener: socket.Listener, conns: &s.conns, timeout: s.config.Options.SocketTimeout}
	if i := len(s.stops); i < len(s.config.Options.Behind) {
		if l.behind, err = behindOf(s.config.Options.Behind[i]); err != nil {
			return nil, err
		}
	}
	s.stops = append(s.stops, l.stop)
	name := socket.Name
	if name == listenfds.Unnamed || name == "shared-socket" {
		name = s.config.Options.SocketProtocol + "-socket"
	}
	switch name {
	case "http-socket", "http":
		l.refused, l.proxied = s.refused, s.proxied()
		return func() error { return s.serveHTTP(l) }, nil
	case "https-socket", "https":
		config, err := s.nextCertificate(name)
		if err != nil {
			return nil, err
		}
		l.refused, l.proxied = s.refused, s.proxied()
		return func() error { return s.web.Serve(tls.NewListener(l, config)) }, nil
	case "-socket", "uwsgi-socket":
		return func() error { return s.serveUwsgi(l) }, nil
	case "fastcgi-socket":
		return func() error { return s.serveFastCGI(l) }, nil
	case "stats":
		return func() error { return s.serveStats(l) }, nil
	}
	return nil, fmt.Errorf("cannot serve the socket %q: unknown protocol", socket.Name)
}

// proxied returns the beginning of connections of HTTP; nil: without the PROXY protocol.
func (s *server) proxied() func(net.Conn) *proxied {
	if !s.config.Options.ProxyProtocol {
		return nil
	}
	return func(n net.Conn) *proxied {
		return &proxied{trusted: trusts(n.RemoteAddr(), s.config.Options.ProxyProtocolFrom), log: s.config.Log}
	}
}

// queue returns the length of the accept queue and its limit. Only TCP reports them for
// listening sockets (tcp(7)).
func queue(l net.Listener) (waiting, most uint32) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return 0, 0
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0, 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			waiting, most = info.Unacked, info.Sacked
		}
	})
	return waiting, most
}
