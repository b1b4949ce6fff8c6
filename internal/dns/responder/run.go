package responder

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/dns"
)

// memory is where the garbage collector works harder, in bytes.
const memory = 32 << 20

// ErrByHand is returned by Run when the emperor has not started this process.
var ErrByHand = errors.New("emperor starts this program; it does nothing by hand")

// Run answers questions until the emperor closes the channel or a socket fails. The emperor has
// started this process with the descriptors of package dns.
func Run() error {
	control, err := net.FileConn(os.NewFile(dns.ControlFD, "control"))
	if err != nil {
		return ErrByHand
	}
	_ = unix.Close(dns.ControlFD)
	defer control.Close()
	debug.SetMemoryLimit(memory)
	var server *Server
	failed := make(chan error, 1)
	read := make(chan error, 1)
	go func() {
		read <- dns.ReadMessages(control, func(m dns.Message) (err error) {
			if m.Setup != nil {
				server, err = begin(*m.Setup, failed)
				return err
			}
			if server == nil {
				return errors.New("the first message has no setup")
			}
			server.table.Change(m)
			if m.Sync {
				_, err = control.Write([]byte{1})
			}
			return err
		})
	}()
	select {
	case err := <-read:
		return err
	case err := <-failed:
		return err
	}
}

// begin takes the sockets, gives up all rights and answers.
func begin(s dns.Setup, failed chan<- error) (*Server, error) {
	root := os.NewFile(dns.RootFD, "root")
	defer root.Close()
	var datagrams []*net.UDPConn
	var streams []net.Listener
	for i := range 2 * len(s.Gateways) {
		f := os.NewFile(uintptr(dns.SocketsFD+i), "socket")
		if err := take(f, &datagrams, &streams); err != nil {
			return nil, fmt.Errorf("cannot use socket %d: %w", i, err)
		}
	}
	if err := confine(root, s.UID, s.GID); err != nil {
		return nil, err
	}
	server := NewServer(NewTable(s))
	serve := func(f func() error) {
		go func() {
			err := f()
			select {
			case failed <- fmt.Errorf("cannot answer any more: %w", err):
			default: // another one was first
			}
		}()
	}
	for _, c := range datagrams {
		serve(func() error { return server.Datagrams(c) })
	}
	for _, l := range streams {
		serve(func() error { return server.Streams(l) })
	}
	return server, nil
}

// take adds a socket to its kind.
func take(f *os.File, datagrams *[]*net.UDPConn, streams *[]net.Listener) error {
	defer f.Close()
	kind, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	if kind == unix.SOCK_STREAM {
		l, err := net.FileListener(f)
		if err == nil {
			*streams = append(*streams, l)
		}
		return err
	}
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return err
	}
	u, ok := conn.(*net.UDPConn)
	if !ok {
		return errors.New("not a socket for datagrams of IP")
	}
	*datagrams = append(*datagrams, u)
	return nil
}
