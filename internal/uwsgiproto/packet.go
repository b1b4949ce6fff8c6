// Package uwsgiproto reads and writes packets of the uwsgi protocol
// (https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html):
//
//	modifier1 (1 byte) | size of the body (2, little endian) | modifier2 (1) | body
//
// The body of a request, and of a command for an emperor, is a list of variables:
//
//	size (2, little endian) | name | size (2) | value
package uwsgiproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxBody is the largest body in bytes: the header has 16 bits for its size.
const MaxBody = 1<<16 - 1

// The first modifiers.
const (
	// Request is a request of a client, or a command.
	Request byte = 0
	// Config is the configuration that an Emperor sends to a vassal (core/emperor.c).
	Config byte = 115
)

// ErrPacket is wrapped by all errors about the content of a packet.
var ErrPacket = errors.New("bad uwsgi packet")

// ErrTooLarge is wrapped by the error about a body, or a variable, that a packet cannot carry.
var ErrTooLarge = errors.New("it does not fit into a uwsgi packet")

const headerSize = 4

// Header is the beginning of a packet.
type Header struct {
	Modifier byte // the first one
	Size     int  // of the body
}

// ReadHeader reads the beginning of a packet.
func ReadHeader(r io.Reader) (Header, error) {
	var b [headerSize]byte
	_, err := io.ReadFull(r, b[:])
	return headerOf(b[:]), err
}

func headerOf(b []byte) Header { return Header{b[0], int(binary.LittleEndian.Uint16(b[1:]))} }

// ReadBody reads the rest of the packet.
func (h Header) ReadBody(r io.Reader) ([]byte, error) {
	body := make([]byte, h.Size)
	_, err := io.ReadFull(r, body)
	return body, err
}

// Body returns the body of a packet that is a whole message, such as a datagram.
func Body(packet []byte) ([]byte, error) {
	if len(packet) < headerSize || headerOf(packet).Size != len(packet)-headerSize {
		return nil, fmt.Errorf("%w: its size is wrong", ErrPacket)
	}
	return packet[headerSize:], nil
}

// Packet makes a packet. The second modifier is zero.
func Packet(modifier byte, body []byte) ([]byte, error) {
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrTooLarge, len(body))
	}
	packet := append(make([]byte, 0, headerSize+len(body)), modifier, 0, 0, 0)
	binary.LittleEndian.PutUint16(packet[1:], uint16(len(body)))
	return append(packet, body...), nil
}

// Vars reads the variables of a body. When a name occurs twice, the last value counts.
func Vars(body []byte) (map[string]string, error) {
	vars := map[string]string{}
	for len(body) > 0 {
		var pair [2]string
		for i := range pair {
			if len(body) < 2 {
				return nil, fmt.Errorf("%w: it ends within a size", ErrPacket)
			}
			n := int(binary.LittleEndian.Uint16(body))
			if body = body[2:]; n > len(body) {
				return nil, fmt.Errorf("%w: a variable is longer than the packet", ErrPacket)
			}
			pair[i], body = string(body[:n]), body[n:]
		}
		if pair[0] == "" {
			return nil, fmt.Errorf("%w: a variable has no name", ErrPacket)
		}
		vars[pair[0]] = pair[1]
	}
	return vars, nil
}

// VarsPacket makes a packet with variables, a request.
func VarsPacket(vars map[string]string) ([]byte, error) {
	body := make([]byte, 0, 4096)
	for name, value := range vars {
		for _, word := range []string{name, value} {
			if len(word) > MaxBody {
				return nil, fmt.Errorf("%w: a variable has %d bytes", ErrTooLarge, len(word))
			}
			body = append(binary.LittleEndian.AppendUint16(body, uint16(len(word))), word...)
		}
	}
	return Packet(Request, body)
}
