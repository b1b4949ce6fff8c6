package webserver

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// farListener accepts connections whose peer seems to be in another network.
type farListener struct{ net.Listener }

type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 9), Port: 9} }

func (l farListener) Accept() (net.Conn, error) {
	n, err := l.Listener.Accept()
	return farConn{n}, err
}

func (l farListener) SetDeadline(t time.Time) error {
	return l.Listener.(*net.TCPListener).SetDeadline(t)
}

// header2 is a header of version 2 for a client at 203.0.113.7:4444, with TLS if asked.
func header2(t *testing.T, secure bool) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4444}, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 8443})
	if secure {
		tlv, err := tlvparse.PP2SSL{Client: tlvparse.PP2_BITFIELD_CLIENT_SSL, TLV: []proxyproto.TLV{{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")}}}.Marshal()
		if err == nil {
			err = h.SetTLVs([]proxyproto.TLV{tlv})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// local2 is a header of version 2 for a connection of the proxy itself.
const local2 = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

// withProxies returns a server with the socket http of local peers, and far of others.
func withProxies(t *testing.T, from ...netip.Prefix) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app := serving.Behind{Protocol: "uwsgi", Address: uwsgiApp(t)}
	o := before(t, serving.Options{ProxyProtocol: true, ProxyProtocolFrom: from, Log: serving.Log{Format: "by %(addr) %(uri)"}}, app, app)
	s := startWith(t, Config{Options: o, Grace: 200 * time.Millisecond, Sockets: []Socket{{"http-socket", farListener{l}}}}, "http")
	s.addr["far"] = l.Addr().String()
	return s
}

// TestProxyProtocol: the header of a trusted peer has the client's address, for the log and for
// the command behind the server. Without a valid header there is no answer at all.
func TestProxyProtocol(t *testing.T) {
	s := withProxies(t)
	silent, err := net.Dial("tcp", s.addr["http"]) // delays neither others nor the end
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const request = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for name, c := range map[string]struct{ socket, header, client, secure string }{
		"version 1":       {"http", "PROXY TCP4 203.0.113.7 203.0.113.1 4444 80\r\n", "203.0.113.7", "false"},
		"IPv6":            {"http", "PROXY TCP6 2001:db8::7 2001:db8::1 4444 80\r\n", "2001:db8::7", "false"},
		"version 2":       {"http", header2(t, false), "203.0.113.7", "false"},
		"TLS":             {"http", header2(t, true), "203.0.113.7", "true"},
		"health check":    {"http", local2, "127.0.0.1", "false"},
		"unknown client":  {"http", "PROXY UNKNOWN\r\n", "127.0.0.1", "false"},
		"none":            {"http", "", "", ""},
		"invalid":         {"http", "PROXY TCP4 203.0.113.7\r\n", "", ""},
		"too long":        {"http", "PROXY " + strings.Repeat("x", 200), "", ""},
		"far":             {"far", "", "198.51.100.9", "false"},
		"far, version 1":  {"far", "PROXY TCP4 203.0.113.7 203.0.113.1 4444 80\r\n", "", ""},
		"far, version 2":  {"far", header2(t, true), "", ""},
		"far, local":      {"far", local2, "", ""},
		"far and invalid": {"far", "PROXY TCP4 203.0.113.7\r\n", "", ""},
		"two headers":     {"http", "PROXY UNKNOWN\r\nPROXY TCP4 203.0.113.7 203.0.113.1 4444 80\r\n", "HTTP/1.1 400 Bad Request", ""},
	} {
		got := s.exchangeRaw(c.socket, []byte(c.header+request))
		switch {
		case c.secure != "":
			if want := "|" + c.client + "|0|" + c.secure + "|"; !strings.Contains(got, "GET /x|"+want) || !strings.Contains(s.access.String(), "by "+c.client+" /x\n") {
				t.Errorf("%s: %q, log %q", name, got, s.access.String())
			}
		case c.client == "" && got != "", !strings.HasPrefix(got, c.client):
			t.Errorf("%s: %q", name, got)
		}
	}
	if log := s.log.String(); !strings.Contains(log, errUntrusted.Error()) || !strings.Contains(log, errNoHeader.Error()) || !strings.Contains(log, "peer=198.51.100.9:9") {
		t.Errorf("log: %s", log)
	}
}

// TestProxyProtocolFrom: an address of proxy-protocol-from is trusted as a local one.
func TestProxyProtocolFrom(t *testing.T) {
	s := withProxies(t, netip.MustParsePrefix("198.51.100.0/24"))
	got := s.exchangeRaw("far", []byte(header2(t, false)+"GET /x HTTP/1.0\r\n\r\n"))
	if !strings.Contains(got, "|203.0.113.7|") {
		t.Errorf("%q", got)
	}
	for _, c := range []struct {
		peer net.Addr
		want bool
	}{
		{&net.UnixAddr{Name: "@", Net: "unix"}, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, true},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:127.0.0.1")}, true},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:10.1.2.3")}, true},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, true},
		{&net.TCPAddr{IP: net.ParseIP("11.1.2.3")}, false},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, false},
		{&net.TCPAddr{}, false},
	} {
		if got := trusts(c.peer, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/64")}); got != c.want {
			t.Errorf("%v: trusted is %v", c.peer, got)
		}
	}
}

// TestProxyProtocolBeforeTLS: the header precedes the handshake.
func TestProxyProtocolBeforeTLS(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, "site")
	cert := serving.Certificate{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}
	o := serving.Options{ProxyProtocol: true, CheckStatic: []string{t.TempDir()}, Log: serving.Log{Format: "by %(addr)"}, Certificates: []serving.Certificate{cert}}
	s := start(t, o, "https-socket")
	n, err := net.Dial("tcp", s.addr["https-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	_, _ = io.WriteString(n, header2(t, false))
	secure := tls.Client(n, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // any certificate
	if _, err := io.WriteString(secure, "GET /x HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(secure); err != nil {
		t.Error(err)
	}
	if got := s.access.String(); got != "by 203.0.113.7\n" {
		t.Errorf("log %q", got)
	}
}
