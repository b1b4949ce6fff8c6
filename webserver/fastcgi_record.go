package webserver

import (
	"encoding/binary"
	"errors"
	"io"
)

// Kinds of FastCGI records (FastCGI specification, section 8).
const (
	fcgiBegin        = 1
	fcgiAbort        = 2
	fcgiEnd          = 3
	fcgiParams       = 4
	fcgiStdin        = 5
	fcgiStdout       = 6
	fcgiGetValues    = 9
	fcgiValues       = 10
	fcgiUnknownKind  = 11
	fcgiVersion      = 1
	fcgiResponder    = 1 // the only role that is served
	fcgiKeep         = 1 // flag of a begin record: the frontend keeps the connection
	fcgiComplete     = 0 // status of an end record: the request was answered
	fcgiUnknownRole  = 3 // the role is not served
	fcgiHeaderSize   = 8
	fcgiBeginSize    = 8
	fcgiLargestShort = 127 // the longest name or value with a length of one byte
)

// fcgiRecord is a record. Its content is valid until the next one is read.
type fcgiRecord struct {
	kind    byte
	id      uint16 // of the request; 0: about the connection
	content []byte
}

// fcgiReader reads records. Its buffer is as large as the largest record so far.
type fcgiReader struct {
	in     io.Reader
	buffer []byte
}

func (r *fcgiReader) next() (rec fcgiRecord, err error) {
	var head [fcgiHeaderSize]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return rec, err
	}
	if head[0] != fcgiVersion {
		return rec, errors.New("not version 1 of FastCGI")
	}
	size := int(binary.BigEndian.Uint16(head[4:]))
	whole := size + int(head[6]) // with its padding
	if len(r.buffer) < whole {
		r.buffer = make([]byte, whole)
	}
	if _, err := io.ReadFull(r.in, r.buffer[:whole]); err != nil {
		return rec, err
	}
	return fcgiRecord{kind: head[1], id: binary.BigEndian.Uint16(head[2:]), content: r.buffer[:size]}, nil
}

// putFCGIHeader writes the header of a record without padding.
func putFCGIHeader(head []byte, kind byte, id uint16, size int) {
	head[0], head[1], head[6], head[7] = fcgiVersion, kind, 0, 0
	binary.BigEndian.PutUint16(head[2:], id)
	binary.BigEndian.PutUint16(head[4:], uint16(size))
}

// fcgiBytes returns a record in bytes. Its content has at most 65535 bytes.
func fcgiBytes(kind byte, id uint16, content ...byte) []byte {
	b := make([]byte, fcgiHeaderSize, fcgiHeaderSize+len(content))
	putFCGIHeader(b, kind, id, len(content))
	return append(b, content...)
}

// fcgiEndBytes returns the record that ends a request, with exit status 0.
func fcgiEndBytes(id uint16, status byte) []byte {
	return fcgiBytes(fcgiEnd, id, 0, 0, 0, 0, status, 0, 0, 0)
}

// fcgiPairs reads the variables of a request. It ignores the rest from an incomplete one on.
func fcgiPairs(b []byte) map[string]string {
	vars := map[string]string{}
	for len(b) > 0 {
		name, rest, ok := fcgiLength(b)
		if !ok {
			break
		}
		value, rest, ok := fcgiLength(rest)
		if !ok || len(rest)-name < value {
			break
		}
		vars[string(rest[:name])] = string(rest[name : name+value])
		b = rest[name+value:]
	}
	return vars
}

// fcgiLength reads a length of one byte or, with the highest bit set, of four.
func fcgiLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) > 0 && b[0] <= fcgiLargestShort:
		return int(b[0]), b[1:], true
	case len(b) >= 4:
		return int(binary.BigEndian.Uint32(b) &^ (1 << 31)), b[4:], true
	}
	return 0, nil, false
}
