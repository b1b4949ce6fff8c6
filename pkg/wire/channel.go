package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// The order channel is a connected pair of unix sockets that preserve message boundaries. An order
// is larger than any message that the kernel accepts, so it travels as a sealed memfd
// (memfd_create(2)) whose descriptor is the message. Notices are messages of JSON. Neither end waits
// for the other one to read.

// EmperorEnd is the emperor's end of the order channel: it sends orders and receives notices. No
// operation on it blocks, and it is not in the runtime's poller, because the emperor has one for
// each of very many vassals.
type EmperorEnd struct{ file *os.File }

// Pair makes a channel. The caller passes theirs, from which the child makes a VassalEnd, and closes
// its own copy.
func Pair() (ours *EmperorEnd, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return &EmperorEnd{os.NewFile(uintptr(fds[0]), "orders")}, os.NewFile(uintptr(fds[1]), "orders of the vassal"), nil
}

// Close closes the channel: a vassal that is parked, or receives, gets ErrWithdrawn.
func (e *EmperorEnd) Close() error { return e.file.Close() }

// SyscallConn implements syscall.Conn.
func (e *EmperorEnd) SyscallConn() (syscall.RawConn, error) { return e.file.SyscallConn() }

// SendOrder sends o. It returns an error when the vassal is gone, or has left several orders unread.
// The descriptors of o.Sockets and of mounts are duplicated; the caller keeps its own.
func (e *EmperorEnd) SendOrder(o Order) error {
	o.Trees = len(o.FileSystem.Trees)
	text, err := encode(o)
	if err == nil && o.Trees > MaxTrees {
		err = fmt.Errorf("it has more than %d binds with other owners", MaxTrees)
	}
	if err == nil && len(text) > MaxOrder {
		err = fmt.Errorf("larger than %d bytes", MaxOrder)
	}
	if err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	memory, err := memfd.Text("order", text)
	if err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	defer unix.Close(memory)
	if err := send(e.file, []byte("order"), unix.UnixRights(slices.Concat([]int{memory}, o.Sockets, o.FileSystem.Trees)...)); err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	return nil
}

// Release sends off a child that is parked without the vassal program (package bootlist).
func (e *EmperorEnd) Release() error {
	if err := send(e.file, []byte{1}, nil); err != nil {
		return fmt.Errorf("cannot send it off: %w", err)
	}
	return nil
}

func send(to *os.File, message, rights []byte) error {
	raw, err := to.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(int(fd), message, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	})
	return errors.Join(err, sent)
}

// ErrGarbage is wrapped by the error about a message that is not a notice.
var ErrGarbage = errors.New("garbage")

// TakeNotice returns the next notice without blocking. It returns unix.EAGAIN when there is
// none, and io.EOF when the vassal closed its end. An error that wraps ErrGarbage concerns
// this message only: others may follow. Any other error ends the channel. Descriptors that a
// vassal sends along never arrive: the kernel drops them for a reader that provides no buffer
// for them (unix(7)).
func (e *EmperorEnd) TakeNotice() (Notice, error) {
	message, err := e.receive()
	switch {
	case err != nil:
		return Notice{}, err
	case len(message) > maxNotice:
		return Notice{}, fmt.Errorf("cannot read notice: %w: larger than %d bytes", ErrGarbage, maxNotice)
	}
	return decodeNotice(message)
}

// receive takes a message that has already arrived.
func (e *EmperorEnd) receive() (message []byte, err error) {
	raw, err := e.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	n, buffer := 0, room.Get().(*[maxNotice + 1]byte) // nothing else is in it
	defer room.Put(buffer)
	control := raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), buffer[:], unix.MSG_DONTWAIT) })
	switch {
	case control != nil:
		return nil, control
	case err != nil:
		return nil, os.NewSyscallError("recvfrom", err)
	case n == 0:
		return nil, io.EOF
	}
	return bytes.Clone(buffer[:n]), nil
}

// room is for messages that are being received.
var room = sync.Pool{New: func() any { return new([maxNotice + 1]byte) }}
