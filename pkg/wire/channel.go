package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Channel is one end of the order channel: a connected unix socket that keeps
// messages apart. An order does not fit into a message of any size that a kernel
// grants, so it travels as a sealed memfd (memfd_create(2)) whose descriptor is
// the message. Nothing here waits for the other side to read: what it leaves
// unread is its own loss.
type Channel struct{ file *os.File }

// Pair makes a channel. ours is the emperor's end, of which nothing ever blocks and
// which is not in the runtime's poller: the emperor has one for each of very many
// vassals. theirs is to be passed to the child and closed here.
func Pair() (ours *Channel, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return &Channel{os.NewFile(uintptr(fds[0]), "orders")}, os.NewFile(uintptr(fds[1]), "orders of the vassal"), nil
}

// NewChannel takes over a descriptor of the vassal's end. It is put into the runtime's poller, so
// that waiting for the other side costs no thread.
func NewChannel(fd int) *Channel {
	_ = unix.SetNonblock(fd, true) // before NewFile; else it works with a thread
	return &Channel{os.NewFile(uintptr(fd), "orders")}
}

// Close ends the channel; a Receive that waits on it returns.
func (c *Channel) Close() error { return c.file.Close() }

// SyscallConn implements syscall.Conn.
func (c *Channel) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

// StopReceiving makes a Receive that waits, and each later one, return at once.
func (c *Channel) StopReceiving() { _ = c.file.SetReadDeadline(time.Unix(1, 0)) }

// SendOrder hands o over. It never blocks: an error means that the other side is
// gone, or has not read several orders before.
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
	if err := c.send([]byte("order"), unix.UnixRights(memory)); err != nil {
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

// Park blocks in the kernel until the first order comes over fd, the end of a
// channel that no Channel was made of yet. This is where a child waits: it is
// the cheapest way to, for a main thread that has nothing else to do. It returns
// ErrWithdrawn when the emperor closed the channel.
func Park(fd int) (Order, error) {
	for {
		memory, err := receiveFD(fd)
		if !errors.Is(err, unix.EINTR) {
			return readOrder(memory, err)
		}
	}
}

// ReceiveOrder blocks until there is another order. It returns ErrWithdrawn when
// the emperor closed the channel.
func (c *Channel) ReceiveOrder() (Order, error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return Order{}, err
	}
	var (
		memory  *os.File
		failure error
	)
	err = raw.Read(func(fd uintptr) bool {
		memory, failure = receiveFD(int(fd))
		return !errors.Is(failure, unix.EAGAIN) && !errors.Is(failure, unix.EINTR)
	})
	return readOrder(memory, errors.Join(err, failure))
}

func readOrder(memory *os.File, err error) (Order, error) {
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
	return decodeOrder(text)
}

// ErrGarbage is wrapped by the error about a message that is no notice.
var ErrGarbage = errors.New("garbage")

// TakeNotice returns the next notice, if there is one already: else the error is
// unix.EAGAIN. It is io.EOF when the vassal closed its end. One that wraps ErrGarbage
// is about this message: it was no notice, and there may be others. Any other ends
// it. Descriptors that a vassal sends along never arrive: the kernel drops them for a
// reader that has no place for them (unix(7)).
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

// receive takes a message that is there.
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

// receiveFD takes one message and returns the first descriptor in it.
func receiveFD(fd int) (*os.File, error) {
	var buffer [64]byte
	control := make([]byte, unix.CmsgSpace(4))
	n, used, _, _, err := unix.Recvmsg(fd, buffer[:], control, unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return nil, err
	case n == 0 && used == 0:
		return nil, io.EOF
	}
	passed, ok := rightOf(control[:used])
	if !ok {
		return nil, errors.New("there is no descriptor in the message")
	}
	return os.NewFile(uintptr(passed), "order"), nil
}

// rightOf finds the descriptor in a control message that holds at most one.
func rightOf(control []byte) (fd int, ok bool) {
	if len(control) < unix.CmsgLen(4) {
		return 0, false
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 || len(messages[0].Data) < 4 {
		return 0, false
	}
	m := messages[0]
	if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
		return 0, false
	}
	return int(int32(binary.NativeEndian.Uint32(m.Data))), true
}

// sealed makes a memfd that holds text and can never change. Its offset is at
// the beginning.
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
