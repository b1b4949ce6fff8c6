package responder

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The limits of one responder, and of one vassal. A vassal that asks for more gets an error at
// once, so that it cannot keep the others from being answered.
const (
	maxAsked      = 512
	maxAskedEach  = 32
	maxStreams    = 128
	maxStreamEach = 8
	// streamIdle is the time in which a stream must bring a whole question.
	streamIdle = 10 * time.Second
)

// Server answers at sockets. It is made by NewServer.
type Server struct {
	table   *Table
	forward forwarder
	asked   *quota
	streams *quota
}

// NewServer returns a server of a table.
func NewServer(t *Table) *Server {
	return &Server{
		table: t, forward: forwarder{53, attempt},
		asked: newQuota(maxAsked, maxAskedEach), streams: newQuota(maxStreams, maxStreamEach),
	}
}

// quota limits the number of things that happen at a time, in all and for each vassal.
type quota struct {
	all, each int

	mu    sync.Mutex
	total int
	by    map[netip.Addr]int
}

func newQuota(all, each int) *quota { return &quota{all: all, each: each, by: map[netip.Addr]int{}} }

// take reports whether one more may happen. The caller gives it back.
func (q *quota) take(who netip.Addr) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total >= q.all || q.by[who] >= q.each {
		return false
	}
	q.total++
	q.by[who]++
	return true
}

func (q *quota) giveBack(who netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if q.by[who]--; q.by[who] == 0 {
		delete(q.by, who)
	}
}

// Datagrams answers the datagrams of a socket until it is closed.
func (s *Server) Datagrams(conn *net.UDPConn) error {
	buffer := make([]byte, longest)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		asker := from.Addr().Unmap()
		if !s.table.Knows(asker) {
			continue
		}
		answer, pass := s.table.Answer(asker, buffer[:n])
		if pass {
			s.pass(asker, append([]byte(nil), buffer[:n]...), func(answer []byte) { send(conn, answer, from) })
			continue
		}
		send(conn, answer, from)
	}
}

func send(conn *net.UDPConn, answer []byte, to netip.AddrPort) {
	if answer != nil {
		_, _ = conn.WriteToUDPAddrPort(answer, to) // the vassal asks again
	}
}

// pass lets the nameservers of the host answer, beside other questions.
func (s *Server) pass(asker netip.Addr, message []byte, answer func([]byte)) {
	servers := s.table.Servers(asker)
	if len(servers) == 0 || !s.asked.take(asker) {
		answer(refusal(message, len(servers) == 0))
		return
	}
	go func() {
		defer s.asked.giveBack(asker)
		answer(s.forward.ask(servers, message, false))
	}()
}

// refusal is the answer to a question that is not for this responder, after which the C library asks the
// next nameserver, or that there were too many questions.
func refusal(message []byte, notOurs bool) []byte {
	q, _, err := parse(message)
	if err != nil {
		return nil
	}
	if notOurs {
		return q.refuse(dnsmessage.RCodeRefused)
	}
	return q.refuse(dnsmessage.RCodeServerFailure)
}

// Streams answers the connections of a listening socket until it is closed.
func (s *Server) Streams(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		asker := from.Addr().Unmap()
		if err != nil || !s.table.Knows(asker) || !s.streams.take(asker) {
			conn.Close()
			continue
		}
		go func() {
			defer s.streams.giveBack(asker)
			defer conn.Close()
			s.stream(conn, asker)
		}()
	}
}

// stream answers the questions of a connection, one after the other.
func (s *Server) stream(conn net.Conn, asker netip.Addr) {
	for {
		_ = conn.SetDeadline(time.Now().Add(streamIdle))
		message, err := readMessage(conn)
		if err != nil {
			return
		}
		answer, pass := s.table.Answer(asker, message)
		if pass {
			answer = s.passStream(asker, message)
		}
		_ = conn.SetDeadline(time.Now().Add(streamIdle))
		if answer == nil || writeMessage(conn, answer) != nil {
			return
		}
	}
}

func (s *Server) passStream(asker netip.Addr, message []byte) []byte {
	servers := s.table.Servers(asker)
	if len(servers) == 0 || !s.asked.take(asker) {
		return refusal(message, len(servers) == 0)
	}
	defer s.asked.giveBack(asker)
	return s.forward.ask(servers, message, true)
}
