package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// VassalEnd is a vassal's end of the order channel: it receives orders and sends notices. Notices are
// sent in order by a goroutine that exists while there are any. The caller does not wait for a slow
// emperor, and no answer is lost: the kernel keeps only a few messages (net.unix.max_dgram_qlen).
// A nil VassalEnd is the end of a vassal without our emperor: it drops all notices.
type VassalEnd struct {
	fd     int
	file   *os.File
	outbox outbox
}

// NewVassalEnd takes ownership of the descriptor. The runtime's poller holds it, so that waiting for
// the emperor costs no thread.
func NewVassalEnd(fd int) *VassalEnd {
	_ = unix.SetNonblock(fd, true) // before NewFile; without it the wait takes a thread
	v := &VassalEnd{fd: fd, file: os.NewFile(uintptr(fd), "orders")}
	v.outbox.init(v.sendSoon)
	return v
}

// FD returns the descriptor, for a program that replaces this one or a child. It stays the end's own.
func (v *VassalEnd) FD() int { return v.fd }

// Close closes the channel; a waiting ReceiveOrder returns.
func (v *VassalEnd) Close() error { return v.file.Close() }

// StopReceiving makes a waiting ReceiveOrder, and each later one, return at once.
func (v *VassalEnd) StopReceiving() { _ = v.file.SetReadDeadline(time.Unix(1, 0)) }

// Post sends a notice as soon as possible. It never blocks.
func (v *VassalEnd) Post(n Notice) {
	if v != nil {
		v.outbox.post(n)
	}
}

// Flush blocks until all notices are sent, or until the time limit; then it drops the rest.
func (v *VassalEnd) Flush(bound time.Duration) {
	if v == nil {
		return
	}
	_ = v.file.SetWriteDeadline(time.Now().Add(bound))
	v.outbox.flush()
	_ = v.file.SetWriteDeadline(time.Time{})
}

// Park blocks in the kernel until the first order arrives on fd, the end of a channel for
// which no VassalEnd exists yet. A child waits here: a blocking read is cheapest on a main
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
func (v *VassalEnd) ReceiveOrder() (Order, error) {
	raw, err := v.file.SyscallConn()
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
	if rest := len(others) - o.Trees; err == nil && o.Trees > 0 && rest >= 0 {
		others, o.FileSystem.Trees = others[:rest], others[rest:]
	}
	o.Sockets = others
	return o, err
}

// receiveFDs receives one message and returns the descriptors in it, the first one as a file.
func receiveFDs(fd int) (first *os.File, others []int, err error) {
	var buffer [64]byte
	control := make([]byte, unix.CmsgSpace(4*(1+MaxSockets+MaxTrees)))
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

// sendSoon blocks until there is room for a message, or until the write deadline.
func (v *VassalEnd) sendSoon(message []byte) error {
	raw, err := v.file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), message, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return sent != unix.EAGAIN && sent != unix.EINTR
	})
	if err != nil {
		return err
	}
	return sent
}
