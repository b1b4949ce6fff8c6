package responder

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/emperor-go/emperor/internal/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// one is a list of one nameserver.
var one = []netip.Addr{address("127.0.0.1")}

const patience = 20 * time.Second

// upstream is a nameserver on the loopback interface whose answers a test makes.
type upstream struct {
	datagrams *net.UDPConn
	streams   net.Listener
	asked     atomic.Int32
}

// newUpstream answers each question with the messages that answer returns.
func newUpstream(t *testing.T, answer func(question []byte, stream bool) [][]byte) *upstream {
	t.Helper()
	var u upstream
	var err error
	for range 20 { // a port that is free for both
		if u.streams, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		port := u.streams.Addr().(*net.TCPAddr).Port
		if u.datagrams, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err == nil {
			break
		}
		u.streams.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.datagrams.Close(); u.streams.Close() })
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := u.datagrams.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			u.asked.Add(1)
			for _, m := range answer(bytes.Clone(b[:n]), false) {
				_, _ = u.datagrams.WriteToUDPAddrPort(m, from)
			}
		}
	}()
	go func() {
		for {
			conn, err := u.streams.Accept()
			if err != nil {
				return
			}
			if m, err := readMessage(conn); err == nil {
				u.asked.Add(1)
				for _, m := range answer(m, true) {
					_ = writeMessage(conn, m)
				}
			}
			conn.Close()
		}
	}()
	return &u
}

func (u *upstream) port() uint16 { return u.datagrams.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// yes answers a question with an address.
func yes(t *testing.T, question []byte) []byte {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		t.Error(err)
		return nil
	}
	m.Response = true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: lifetime},
		Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 80}},
	}}
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

func changed(m []byte, change func(m []byte)) []byte {
	m = bytes.Clone(m)
	change(m)
	return m
}

// Only the answer to the question counts, whatever else arrives before it.
func TestForgedAnswers(t *testing.T) {
	u := newUpstream(t, func(q []byte, _ bool) [][]byte {
		right := yes(t, q)
		return [][]byte{
			changed(right, func(m []byte) { m[0]++ }),        // another number
			changed(right, func(m []byte) { m[2] &^= 0x80 }), // a question
			changed(right, func(m []byte) { m[13] ^= 1 }),    // about another name
			changed(right, func(m []byte) { clear(m[4:6]) }), // about none
			{1, 2, 3}, right,
		}
	})
	f := forwarder{u.port(), patience}
	if got := render(t, f.ask(one, query(t, "example.org.", dnsmessage.TypeA), false)); got != "Success 192.0.2.80" {
		t.Errorf("the answer is %s", got)
	}
}

// A nameserver that does not answer is asked again, then the next one, and then the client gets
// that none has answered.
func TestSilentNameservers(t *testing.T) {
	silent := newUpstream(t, func([]byte, bool) [][]byte { return nil })
	f := forwarder{silent.port(), 20 * time.Millisecond}
	for _, stream := range []bool{false, true} {
		silent.asked.Store(0)
		if got := render(t, f.ask([]netip.Addr{address("127.0.0.1"), address("127.0.0.2")}, query(t, "example.org.", dnsmessage.TypeA), stream)); got != "ServerFailure" {
			t.Errorf("the answer is %s", got)
		}
		if n := silent.asked.Load(); n != attempts {
			t.Errorf("it was asked %d times", n)
		}
	}
}

// An answer that is too long for a datagram is marked as cut, and arrives whole by a stream.
func TestLongAnswer(t *testing.T) {
	u := newUpstream(t, func(q []byte, _ bool) [][]byte { return [][]byte{append(yes(t, q), make([]byte, 5000)...)} })
	f := forwarder{u.port(), patience}
	q := query(t, "example.org.", dnsmessage.TypeA)
	var p dnsmessage.Parser
	answer := f.ask(one, q, false)
	if h, err := p.Start(answer); err != nil || !h.Truncated || h.ID != 4711 || len(answer) != headerLength {
		t.Errorf("the datagram is %+v, %v, with %d bytes", h, err, len(answer))
	}
	if answer := f.ask(one, q, true); len(answer) < 5000 {
		t.Errorf("the stream has %d bytes", len(answer))
	}
}

// newServer returns a Server with sockets at the loopback interface, and their address. It passes
// questions on as f decides.
func newServer(t *testing.T, f forwarder, servers ...netip.Addr) (*Server, string) {
	t.Helper()
	table := NewTable(dns.Setup{Gateways: []netip.Addr{address("127.0.0.9")}})
	table.Change(dns.Message{Set: &dns.Vassal{Name: "shop.ini", Addresses: []netip.Addr{address("127.0.0.1")}, Forward: true}})
	table.Change(dns.Message{Servers: &servers})
	s := NewServer(table)
	s.forward = f
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(l.Addr().(*net.TCPAddr).AddrPort()))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() { _ = s.Datagrams(conn); done <- struct{}{} }()
	go func() { _ = s.Streams(l); done <- struct{}{} }()
	t.Cleanup(func() {
		conn.Close()
		l.Close()
		<-done
		<-done
	})
	return s, l.Addr().String()
}

func dial(t *testing.T, network, from, to string) net.Conn {
	t.Helper()
	var local net.Addr = &net.TCPAddr{IP: net.ParseIP(from)}
	if network == "udp" {
		local = &net.UDPAddr{IP: net.ParseIP(from)}
	}
	conn, err := (&net.Dialer{LocalAddr: local, Timeout: patience}).Dial(network, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func TestSockets(t *testing.T) {
	u := newUpstream(t, func(q []byte, _ bool) [][]byte { return [][]byte{yes(t, q)} })
	_, at := newServer(t, forwarder{u.port(), patience}, one...)
	datagram, stream := dial(t, "udp", "127.0.0.1", at), dial(t, "tcp", "127.0.0.1", at)
	for name, want := range map[string]string{"shop.emperor.internal.": "Success 127.0.0.1", "example.org.": "Success 192.0.2.80"} {
		q := query(t, name, dnsmessage.TypeA)
		b := make([]byte, longest)
		if _, err := datagram.Write(q); err != nil {
			t.Fatal(err)
		}
		n, err := datagram.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := render(t, b[:n]); got != want {
			t.Errorf("%s by UDP: %s, want %s", name, got, want)
		}
		if err := writeMessage(stream, q); err != nil {
			t.Fatal(err)
		}
		answer, err := readMessage(stream)
		if err != nil {
			t.Fatal(err)
		}
		if got := render(t, answer); got != want {
			t.Errorf("%s by TCP: %s, want %s", name, got, want)
		}
	}
}

// A process that is no vassal gets no answer: the responder is not open to others.
func TestStrangers(t *testing.T) {
	_, at := newServer(t, forwarder{})
	q := query(t, "shop.emperor.internal.", dnsmessage.TypeA)
	stranger, vassal := dial(t, "udp", "127.0.0.2", at), dial(t, "udp", "127.0.0.1", at)
	for _, conn := range []net.Conn{stranger, vassal} {
		if _, err := conn.Write(q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := vassal.Read(make([]byte, longest)); err != nil {
		t.Fatal(err)
	}
	_ = stranger.SetReadDeadline(time.Now()) // an answer would have come before the other one
	if n, err := stranger.Read(make([]byte, longest)); err == nil {
		t.Errorf("a stranger got %d bytes", n)
	}
	closed := dial(t, "tcp", "127.0.0.2", at)
	if _, err := closed.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the stream of a stranger stays open: %v", err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error) //nolint:errorlint // of package net itself
	return ok && e.Timeout()
}

// A vassal that asks for too much gets errors at once, and the others get answers.
func TestGreedyVassal(t *testing.T) {
	release := make(chan struct{})
	u := newUpstream(t, func(q []byte, _ bool) [][]byte {
		<-release
		return [][]byte{yes(t, q)}
	})
	s, at := newServer(t, forwarder{u.port(), patience}, one...)
	s.table.Change(dns.Message{Set: &dns.Vassal{Name: "blog.ini", Addresses: []netip.Addr{address("127.0.0.3")}, Forward: true}})
	greedy, other := dial(t, "udp", "127.0.0.1", at), dial(t, "udp", "127.0.0.3", at)
	q := query(t, "example.org.", dnsmessage.TypeA)
	for range maxAskedEach + 1 {
		if _, err := greedy.Write(q); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, longest)
	n, err := greedy.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := render(t, b[:n]); got != "ServerFailure" {
		t.Errorf("one question too many: %s", got)
	}
	if _, err := other.Write(q); err != nil {
		t.Fatal(err)
	}
	close(release)
	if n, err = other.Read(b); err != nil {
		t.Fatal(err)
	}
	if got := render(t, b[:n]); got != "Success 192.0.2.80" {
		t.Errorf("the other vassal: %s", got)
	}
	for range maxAskedEach {
		if n, err = greedy.Read(b); err != nil {
			t.Fatal(err)
		}
		if got := render(t, b[:n]); got != "Success 192.0.2.80" {
			t.Errorf("the questions before: %s", got)
		}
	}
	for range maxStreamEach {
		dial(t, "tcp", "127.0.0.1", at)
	}
	if _, err := dial(t, "tcp", "127.0.0.1", at).Read(b); err == nil || isTimeout(err) {
		t.Errorf("one stream too many stays open: %v", err)
	}
}

// Without nameservers for other names the asker is sent to its next nameserver.
func TestOtherNames(t *testing.T) {
	_, at := newServer(t, forwarder{})
	conn := dial(t, "udp", "127.0.0.1", at)
	if _, err := conn.Write(query(t, "example.org.", dnsmessage.TypeA)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, longest)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := render(t, b[:n]); got != "Refused" {
		t.Errorf("the answer is %s", got)
	}
}
