package network

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nftConn is a connection to nftables that stays open. It is used by one goroutine at a time.
type nftConn struct {
	*nftables.Conn
	socket *netlink.Conn
	number uint32 // of the socket; the kernel's events about changes contain it
	// send sends the queued changes. Tests inject failures.
	send func(*nftables.Conn) error
}

// nftTimeout limits a request and the wait for its answers. The kernel sends them before the request returns, so that
// the limit expires only when an answer was lost, or when the kernel loads its modules on a very slow host.
const nftTimeout = time.Minute

// openNft connects. The caller closes the connection.
func openNft() (*nftConn, error) {
	n := &nftConn{send: (*nftables.Conn).Flush}
	return n, n.connect()
}

func (n *nftConn) connect() (err error) {
	keep := func(s *netlink.Conn) error { n.socket = s; return nil }
	if n.Conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(keep)); err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	raw, err := n.socket.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		if name, err := unix.Getsockname(int(fd)); err == nil {
			n.number = name.(*unix.SockaddrNetlink).Pid
		}
	})
}

// Flush sends the queued changes in one transaction. Their answers are unknown after some errors,
// such as ENOBUFS and a timeout.
func (n *nftConn) Flush() error {
	return n.talk(func() error { return n.send(n.Conn) })
}

// rules returns the rules of a chain.
func (n *nftConn) rules(t *nftables.Table, chain string) (list []*nftables.Rule, err error) {
	err = n.talk(func() (err error) {
		list, err = n.GetRules(t, &nftables.Chain{Table: t, Name: chain})
		return err
	})
	return list, err
}

// elements returns the elements of a set.
func (n *nftConn) elements(s *nftables.Set) (list []nftables.SetElement, err error) {
	err = n.talk(func() (err error) {
		list, err = n.GetSetElements(s)
		return err
	})
	return list, err
}

// talk calls a function that uses the connection. After a failure the connection is replaced:
// answers that still arrive would be taken for answers to later requests.
func (n *nftConn) talk(f func() error) error {
	_ = n.socket.SetDeadline(time.Now().Add(nftTimeout))
	err := f()
	if errors.Is(err, os.ErrDeadlineExceeded) { // otherwise once for each message
		err = fmt.Errorf("the kernel has not answered within %s: %w", nftTimeout, os.ErrDeadlineExceeded)
	}
	if err != nil {
		_ = n.CloseLasting()
		err = errors.Join(err, n.connect())
	}
	return err
}
