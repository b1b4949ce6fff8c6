package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Channel is one end of the order channel: a connected unix socket that preserves message
// boundaries. An order is larger than any message that the kernel accepts, so it travels as a
// sealed memfd (memfd_create(2)) whose descriptor is the message. No method waits for the
// other side to read: messages that the other side leaves unread may be lost.
type Channel struct{ file *os.File }

// Pair makes a channel. ours is the emperor's end. No operation on it blocks, and it is not in
// the runtime's poller, because the emperor has one for each of very many vassals. The caller
// passes theirs to the child and closes its own copy.
func Pair() (ours *Channel, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return &Channel{os.NewFile(uintptr(fds[0]), "orders")}, os.NewFile(uintptr(fds[1]), "orders of the vassal"), nil
}

// NewChannel takes ownership of the descriptor of the vassal's end. The runtime's poller holds
// it, so that waiting for the emperor costs no thread.
func NewChannel(fd int) *Channel {
	_ = unix.SetNonblock(fd, true) // before NewFile; without it the wait takes a thread
	return &Channel{os.NewFile(uintptr(fd), "orders")}
}

// Close closes the channel; a waiting Receive returns.
func (c *Channel) Close() error { return c.file.Close() }

// SyscallConn implements syscall.Conn.
func (c *Channel) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

// StopReceiving makes a waiting Receive, and each later one, return at once.
func (c *Channel) StopReceiving() { _ = c.file.SetReadDeadline(time.Unix(1, 0)) }

// SendOrder sends o. It never blocks: it returns an error when the other side is gone, or has
// left several orders unread. The descriptors of o.Sockets are duplicated; the caller keeps its own.
func (c *Channel) SendOrder(o Order) error {
	text, err := encode(o)
	if err == nil && len(text) > MaxOrder {
		err = fmt.Errorf("larger than %d bytes", MaxOrder)
	}
	if err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	memory, err := sealed(text)
	if err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	defer unix.Close(memory)
	if err := c.send([]byte("order"), unix.UnixRights(append([]int{memory}, o.Sockets...)...)); err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	return nil
}

func (c *Channel) send(message, rights []byte) error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(int(fd), message, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	})
	return errors.Join(err, sent)
}

// Park blocks in the kernel until the first order arrives on fd, the end of a channel for
// which no Channel exists yet. A child waits here: a blocking read is cheapest on a main
// thread without other work. It returns ErrWithdrawn when the emperor closed the channel.
func Park(fd int) (Order, error) {
	for {
		memory, others, err := receiveFDs(fd)
		if !errors.Is(err, unix.EINTR) {
			return readOrder(memory, others, err)
		}
	}
}

// ReceiveOrder blocks until the next order. It returns ErrWithdrawn when the emperor closed
// the channel.
func (c *Channel) ReceiveOrder() (Order, error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return Order{}, err
	}
	var (
		memory  *os.File
		others  []int
		failure error
	)
	err = raw.Read(func(fd uintptr) bool {
		memory, others, failure = receiveFDs(int(fd))
		return !errors.Is(failure, unix.EAGAIN) && !errors.Is(failure, unix.EINTR)
	})
	return readOrder(memory, others, errors.Join(err, failure))
}

func readOrder(memory *os.File, others []int, err error) (Order, error) {
	switch {
	case errors.Is(err, io.EOF):
		return Order{}, ErrWithdrawn
	case err != nil:
		return Order{}, fmt.Errorf("cannot read order: %w", err)
	}
	defer memory.Close()
	text, err := io.ReadAll(io.LimitReader(memory, MaxOrder+1))
	switch {
	case err != nil:
		return Order{}, fmt.Errorf("cannot read order: %w", err)
	case len(text) > MaxOrder:
		return Order{}, fmt.Errorf("cannot read order: larger than %d bytes", MaxOrder)
	}
	o, err := decodeOrder(text)
	o.Sockets = others
	return o, err
}

// ErrGarbage is wrapped by the error about a message that is not a notice.
var ErrGarbage = errors.New("garbage")

// TakeNotice returns the next notice without blocking. It returns unix.EAGAIN when there is
// none, and io.EOF when the vassal closed its end. An error that wraps ErrGarbage concerns
// this message only: others may follow. Any other error ends the channel. Descriptors that a
// vassal sends along never arrive: the kernel drops them for a reader that provides no buffer
// for them (unix(7)).
func (c *Channel) TakeNotice() (Notice, error) {
	message, err := c.receive()
	switch {
	case err != nil:
		return Notice{}, err
	case len(message) > MaxNotice:
		return Notice{}, fmt.Errorf("cannot read notice: %w: larger than %d bytes", ErrGarbage, MaxNotice)
	}
	return decodeNotice(message)
}

// receive takes a message that has already arrived.
func (c *Channel) receive() (message []byte, err error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	n, message := 0, make([]byte, MaxNotice+1)
	control := raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), message, unix.MSG_DONTWAIT) })
	switch {
	case control != nil:
		return nil, control
	case err != nil:
		return nil, os.NewSyscallError("recvfrom", err)
	case n == 0:
		return nil, io.EOF
	}
	return message[:n], nil
}

// receiveFD receives one message and returns the first descriptor in it.
func receiveFDs(fd int) (first *os.File, others []int, err error) {
	var buffer [64]byte
	control := make([]byte, unix.CmsgSpace(4*(1+MaxSockets)))
	n, used, _, _, err := unix.Recvmsg(fd, buffer[:], control, unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return nil, nil, err
	case n == 0 && used == 0:
		return nil, nil, io.EOF
	}
	passed := rightsOf(control[:used])
	if len(passed) == 0 {
		return nil, nil, errors.New("there is no descriptor in the message")
	}
	if len(passed) > 1 {
		others = passed[1:]
	}
	return os.NewFile(uintptr(passed[0]), "order"), others, nil
}

// rightsOf finds the descriptors in a control message.
func rightsOf(control []byte) (fds []int) {
	if len(control) < unix.CmsgLen(4) {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, _ = unix.ParseUnixRights(&messages[0])
	return fds
}

// sealed makes a memfd with an immutable text. Its offset is at the beginning.
func sealed(text []byte) (fd int, err error) {
	fd, err = unix.MemfdCreate("order", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for off := 0; off < len(text); {
		n, err := unix.Pwrite(fd, text[off:], int64(off))
		if err != nil {
			return -1, os.NewSyscallError("pwrite", err)
		}
		off += n
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}
