// Package endpoint answers one question: how does package net listen at an address and
// connect to it? The grammar, and sockets without package net, are in package address.
package endpoint

import (
	"context"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Listen listens at an address, on all of this machine's where it names no host. A socket
// at a path on which no process listens any more is replaced; one with a listener is
// address.ErrBusy. The path is removed with the listener.
func Listen(text string) (net.Listener, error) {
	to, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	if address.InFiles(text) {
		if err := address.RemoveDead(to.Path, unix.SOCK_STREAM); err != nil {
			return nil, err
		}
	}
	return (&net.ListenConfig{}).Listen(context.Background(), to.Network(), to.String())
}

// ListenPacket receives datagrams at an address: by UDP, or at the path of a unix socket,
// which is replaced as by Listen. The path stays.
func ListenPacket(text string) (net.PacketConn, error) {
	to, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	network := "udp"
	if to.Path != "" {
		network = "unixgram"
	}
	if address.InFiles(text) {
		if err := address.RemoveDead(to.Path, unix.SOCK_DGRAM); err != nil {
			return nil, err
		}
	}
	return (&net.ListenConfig{}).ListenPacket(context.Background(), network, to.String())
}

// Dial connects to an address: to this machine where it names no host. Names are looked
// up. Zero patience: as long as the kernel takes.
func Dial(text string, patience time.Duration) (net.Conn, error) {
	to, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	return net.DialTimeout(to.Network(), to.Dialed(), patience)
}
