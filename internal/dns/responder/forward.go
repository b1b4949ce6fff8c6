package responder

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// attempts are the questions to each nameserver, and attempt is the time of one.
	attempts = 2
	attempt  = 2 * time.Second
	// longest is the longest datagram that is taken.
	longest = 4096
	// headerLength is the length of the header of a message.
	headerLength = 12
)

// forwarder asks the nameservers of the host.
type forwarder struct {
	port    uint16 // 53 but in tests
	attempt time.Duration
}

// ask returns the answer of the first nameserver that gives one, or an error when none did.
func (f forwarder) ask(servers []netip.Addr, message []byte, stream bool) []byte {
	for range attempts {
		for _, s := range servers {
			exchange := f.datagram
			if stream {
				exchange = f.stream
			}
			if answer, err := exchange(netip.AddrPortFrom(s, f.port), message); err == nil {
				return answer
			}
		}
	}
	q, _, err := parse(message)
	if err != nil {
		return nil
	}
	return q.refuse(dnsmessage.RCodeServerFailure)
}

// datagram asks once by UDP. The socket has a random port, and the question a random number: an
// answer that was forged elsewhere does not fit.
func (f forwarder) datagram(server netip.AddrPort, message []byte) ([]byte, error) {
	conn, err := net.Dial("udp", server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(f.attempt))
	asked := renumbered(message)
	if _, err := conn.Write(asked); err != nil {
		return nil, err
	}
	buffer := make([]byte, longest)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		if answer := buffer[:n]; fitsQuestion(answer, asked) {
			if n == longest { // it was cut
				answer = truncated(answer)
			}
			copy(answer, message[:2])
			return answer, nil
		}
	}
}

// stream asks once by TCP.
func (f forwarder) stream(server netip.AddrPort, message []byte) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", server.String(), f.attempt)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(f.attempt))
	asked := renumbered(message)
	if err := writeMessage(conn, asked); err != nil {
		return nil, err
	}
	answer, err := readMessage(conn)
	if err != nil {
		return nil, err
	}
	if !fitsQuestion(answer, asked) {
		return nil, errors.New("an answer to another question")
	}
	copy(answer, message[:2])
	return answer, nil
}

// renumbered returns a copy of a message with a random number.
func renumbered(message []byte) []byte {
	m := bytes.Clone(message)
	_, _ = rand.Read(m[:2]) // never fails
	return m
}

// fitsQuestion reports whether a message is an answer to a question: it has its number and
// repeats it.
func fitsQuestion(answer, asked []byte) bool {
	if len(answer) < headerLength || !bytes.Equal(answer[:2], asked[:2]) {
		return false
	}
	var p, q dnsmessage.Parser
	h, err := p.Start(answer)
	_, bad := q.Start(asked)
	if err != nil || bad != nil || !h.Response {
		return false
	}
	got, err := p.Question()
	if errors.Is(err, dnsmessage.ErrSectionDone) { // an answer with an error code may leave it out
		return h.RCode != dnsmessage.RCodeSuccess
	}
	want, bad := q.Question()
	return err == nil && bad == nil && got.Type == want.Type && got.Class == want.Class && sameName(got.Name, want.Name)
}

func sameName(a, b dnsmessage.Name) bool {
	return bytes.EqualFold(a.Data[:a.Length], b.Data[:b.Length])
}

// truncated returns the header of an answer, marked as cut, so that the client asks by TCP.
func truncated(answer []byte) []byte {
	b := answer[:headerLength]
	b[2] |= 0x02 // TC
	clear(b[4:])
	return b
}

// readMessage reads a message of a stream, with its length before it.
func readMessage(from io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(length[:]))
	if len(m) < headerLength {
		return nil, os.ErrInvalid
	}
	_, err := io.ReadFull(from, m)
	return m, err
}

func writeMessage(to io.Writer, m []byte) error {
	_, err := to.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}
