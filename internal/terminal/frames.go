package terminal

import (
	"bufio"
	"encoding/binary"
	"io"

	"golang.org/x/sys/unix"
)

// The greeting of a client that sends frames. A client that begins with anything else, such as
// uWSGI's or nc(1), sends keys alone. Both kinds receive the terminal's own bytes.
const greeting = "\x00vassal-pty 1\n"

// A frame is its kind, its length in two bytes and its content.
const (
	frameKeys = 'k'
	frameSize = 's' // rows and columns, two bytes each
)

// receive processes the input of a client, until its connection ends.
func (h *Hub) receive(c *client) {
	in := bufio.NewReaderSize(c.conn, 1<<12)
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	if first[0] == greeting[0] {
		if begin, _ := in.Peek(len(greeting)); string(begin) == greeting {
			_, _ = in.Discard(len(greeting))
			h.frames(c, in)
			return
		}
	}
	buffer := make([]byte, 1<<10)
	for {
		n, err := in.Read(buffer)
		h.Type(buffer[:n])
		if err != nil {
			return
		}
	}
}

func (h *Hub) frames(c *client, in io.Reader) {
	var head [3]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint16(head[1:]))
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		switch {
		case head[0] == frameKeys:
			h.Type(body)
		case head[0] == frameSize && len(body) == 4:
			h.measure(c, unix.Winsize{Row: binary.BigEndian.Uint16(body), Col: binary.BigEndian.Uint16(body[2:])})
		}
	}
}

func frame(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(body))), body...)
}

func sizeFrame(rows, columns int) []byte {
	return frame(frameSize, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(rows)), uint16(columns)))
}
