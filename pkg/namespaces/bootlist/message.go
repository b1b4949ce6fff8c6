package bootlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// A request is one message to the process that forks: a head, the calls, the offsets of pointers,
// and the data, in the byte order and the layout of this machine. The descriptors of the child, and
// behind them the one of its cgroup, come with it. The answer is one message with a pidfd.
type head struct {
	layout                        uint64
	flags                         uint64 // of clone3(2)
	files, cgroup                 uint32 // number of descriptors; the cgroup's is 0 or 1
	calls, pointers, size, report uint32 // numbers of calls and of offsets, bytes of data
}

// layout changes with the meaning of a message: the program of the process that forks may be replaced
// while an emperor runs.
const layout = 'b'<<24 | 'o'<<16 | 'o'<<8 | '1'

const (
	headSize = unsafe.Sizeof(head{})
	callSize = unsafe.Sizeof(call{})
	// maxMessage limits a request: less than the kernel's least buffer of a socket
	// (net.core.wmem_default).
	maxMessage = 128 << 10
	// maxFiles limits the descriptors of a request.
	maxFiles = 16
)

// ErrUnfit is wrapped by errors about a list that cannot be sent: no child was made.
var ErrUnfit = errors.New("the boot does not fit into a message")

// encode returns the message of a list.
func (l *List) encode(flags namespaces.Flags, cgroup bool) ([]byte, error) {
	for len(l.data)%8 != 0 {
		l.data = append(l.data, 0)
	}
	words := len(l.words) + len(l.words)%2 // the data is aligned to 8 bytes
	size := int(headSize) + len(l.calls)*int(callSize) + 4*words + len(l.data)
	switch {
	case len(l.calls) == 0:
		return nil, errors.New("the boot is empty")
	case l.unfit != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnfit, l.unfit)
	case l.cut:
		return nil, fmt.Errorf("%w: a text has a zero byte", ErrUnfit)
	case size > maxMessage || len(l.Files) >= maxFiles:
		return nil, fmt.Errorf("%w: %d bytes", ErrUnfit, size)
	}
	h := head{
		layout: layout, flags: uint64(flags), files: uint32(len(l.Files)), calls: uint32(len(l.calls)), pointers: uint32(words),
		size: uint32(len(l.data)), report: uint32(l.Report),
	}
	if cgroup {
		h.cgroup = 1
	}
	message := make([]byte, 0, size)
	message = append(message, unsafe.Slice((*byte)(unsafe.Pointer(&h)), headSize)...)
	message = append(message, unsafe.Slice((*byte)(unsafe.Pointer(&l.calls[0])), len(l.calls)*int(callSize))...)
	for i := range words {
		at := noWord
		if i < len(l.words) {
			at = l.words[i]
		}
		message = binary.NativeEndian.AppendUint32(message, at)
	}
	return append(message, l.data...), nil
}

// noWord fills up the offsets of pointers.
const noWord = ^uint32(0)

// request is a received message, in place.
type request struct {
	*head
	call  []call
	words []uint32
	data  []byte
}

// decode returns the parts of a message, whose pointers it makes right: they lead to the message
// itself, which must not move.
func decode(message []byte) (r request, err error) {
	if len(message) < int(headSize) {
		return r, errors.New("a request is too short")
	}
	r.head = (*head)(unsafe.Pointer(&message[0]))
	if r.layout != layout {
		return r, errors.New("a request is of another version of this program")
	}
	if r.calls == 0 || r.calls > maxMessage || r.pointers > maxMessage || r.size > maxMessage ||
		len(message) != int(headSize)+int(r.calls)*int(callSize)+4*int(r.pointers)+int(r.size) || r.files >= maxFiles || r.cgroup > 1 {
		return r, errors.New("the size of a request differs from its header")
	}
	rest := message[headSize:]
	r.call = unsafe.Slice((*call)(unsafe.Pointer(&rest[0])), r.calls)
	rest = rest[uintptr(r.calls)*callSize:]
	if r.pointers > 0 {
		r.words = unsafe.Slice((*uint32)(unsafe.Pointer(&rest[0])), r.pointers)
	}
	r.data = rest[4*r.pointers:]
	return r, r.link()
}

// link turns offsets in the data into pointers, and checks that all are inside.
func (r *request) link() error {
	size := uint64(len(r.data))
	if size == 0 {
		return errors.New("a request has no data")
	}
	base := uint64(uintptr(unsafe.Pointer(&r.data[0])))
	for _, at := range r.words {
		switch {
		case at == noWord:
			continue
		case uint64(at)+8 > size:
			return errors.New("a request has a pointer outside")
		}
		word := r.data[at:]
		binary.NativeEndian.PutUint64(word, base+binary.NativeEndian.Uint64(word))
	}
	for i := range r.call {
		c := &r.call[i]
		if uint64(c.found)+uint64(c.size) > size || uint64(c.wanted)+uint64(c.size) > size {
			return errors.New("a request compares bytes outside")
		}
		for a := range c.args {
			if c.pointers>>a&1 == 0 {
				continue
			}
			if c.args[a] >= size {
				return errors.New("a request has an argument outside")
			}
			c.args[a] += base
		}
	}
	return nil
}

// answer is the message back.
type answer struct {
	errno syscall.Errno // of clone3(2); 0: there is a child, whose pid is in the slot
}

const answerSize = unsafe.Sizeof(answer{})

// failure is the message of a child whose call failed.
type failure struct {
	mark  [8]byte
	call  uint32
	errno uint32
}

// mark begins a failure, and no other message on an order channel.
var mark = [8]byte{0, 'b', 'o', 'o', 't', 0, 0, 1}

// Failed decodes the message with which a child reports a call that failed. ok is false for any
// other message.
func Failed(message []byte) (at int, errno syscall.Errno, ok bool) {
	if len(message) != int(unsafe.Sizeof(failure{})) || [8]byte(message) != mark {
		return 0, 0, false
	}
	return int(binary.NativeEndian.Uint32(message[8:])), syscall.Errno(binary.NativeEndian.Uint32(message[12:])), true
}
