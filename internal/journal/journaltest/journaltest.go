// Package journaltest is a journal for tests: a socket and a parser of the native protocol.
package journaltest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Entry has the fields of an entry by their names.
type Entry map[string]string

// Journal is a socket on which entries arrive.
type Journal struct{ socket *net.UnixConn }

// Listen binds the socket at a path. The caller closes the journal.
func Listen(path string) (*Journal, error) {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	raw, err := socket.SyscallConn()
	if err == nil {
		var option error
		err = raw.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
		err = errors.Join(err, option)
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return &Journal{socket}, nil
}

// Path returns the path of the socket.
func (j *Journal) Path() string { return j.socket.LocalAddr().String() }

// Close closes and removes the socket.
func (j *Journal) Close() {
	j.socket.Close()
	_ = os.Remove(j.Path())
}

// Next returns the next entry, or an error at the deadline. As in the real journal its field
// _PID is the process that sent it.
func (j *Journal) Next(deadline time.Time) (Entry, error) {
	if err := j.socket.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	text, rights := make([]byte, 1<<18), make([]byte, unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	n, m, _, _, err := j.socket.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	text = text[:n]
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return nil, err
	}
	sender := 0
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			sender = int(cred.Pid)
			continue
		}
		if text, err = passed(&messages[i]); err != nil {
			return nil, err
		}
	}
	e, err := Parse(text)
	if err == nil {
		e["_PID"] = strconv.Itoa(sender)
	}
	return e, err
}

// passed reads the sealed file that a datagram contains.
func passed(message *unix.SocketControlMessage) ([]byte, error) {
	fds, err := unix.ParseUnixRights(message)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	const all = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if seals, _ := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); seals&all != all {
		return nil, fmt.Errorf("the file has the seals %#x: journald accepts only a sealed one", seals)
	}
	return io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
}

// Parse parses the fields of an entry. A field that occurs twice is an error.
func Parse(text []byte) (Entry, error) {
	e := Entry{}
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return nil, fmt.Errorf("a field without an end: %.40q", line)
		}
		name, value, short := bytes.Cut(line, []byte("="))
		if !short {
			if len(rest) < 8 {
				return nil, errors.New("a field without a length")
			}
			size := binary.LittleEndian.Uint64(rest)
			if rest = rest[8:]; uint64(len(rest)) <= size || rest[size] != '\n' {
				return nil, fmt.Errorf("%s has not the length %d", name, size)
			}
			value, rest = rest[:size], rest[size+1:]
		}
		if _, twice := e[string(name)]; twice {
			return nil, fmt.Errorf("%s twice", name)
		}
		e[string(name)], text = string(value), rest
	}
	return e, nil
}
