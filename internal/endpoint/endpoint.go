// Package endpoint listens at addresses and connects to them by package net. The grammar, and
// sockets without package net, are in package address.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Listen listens at an address, or on all addresses of this machine when it has no host. It
// replaces a socket at a path on which no process listens any more; one with a listener is
// address.ErrBusy. The path is removed with the listener.
func Listen(text string) (net.Listener, error) {
	to, err := own(text)
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

// backlog is the number of connections in the accept queue; the kernel lowers it to net.core.somaxconn.
const backlog = 4096

// ListenPrivate is Listen for an address whose path, if it has one, is for its owner alone. The path stays
// when the listener is closed.
func ListenPrivate(text string) (net.Listener, error) {
	if !address.InFiles(text) {
		return Listen(text)
	}
	return listenInFiles(text, 0o600, -1, -1)
}

// listenInFiles listens at a path, which has its mode and owner before a client can connect.
func listenInFiles(path string, mode fs.FileMode, uid, gid int) (net.Listener, error) {
	f, err := address.Listen(path, address.Options{Backlog: backlog, Mode: &mode, UID: uid, GID: gid})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return l, nil
}

// ListenOver listens at a path in a directory of the caller's, and replaces anything that has it in one
// step. The path has its mode and owner before a client can connect, and stays when the listener is closed.
func ListenOver(path string, mode fs.FileMode, uid, gid int) (net.Listener, error) {
	fresh := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	_ = os.Remove(fresh)
	l, err := listenInFiles(fresh, mode, uid, gid)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(fresh))
	}
	return l, nil
}

// ListenPacket receives datagrams at an address: by UDP, or at the path of a unix socket,
// which it replaces as Listen does. The path stays.
func ListenPacket(text string) (net.PacketConn, error) {
	to, err := own(text)
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

// own parses the address of a socket of this machine. No name server is asked.
func own(text string) (address.Address, error) {
	to, err := address.Parse(text)
	if err != nil || to.Path != "" || to.Host == "" || to.Host == "*" {
		return to, err
	}
	ip, err := to.IP()
	if err != nil {
		return to, fmt.Errorf("cannot listen on %q: %w", text, err)
	}
	to.Host = ip.String()
	return to, nil
}

// Dial connects to an address, or to this machine when it has no host. It looks up names. Zero
// patience: no limit except the kernel's.
func Dial(text string, patience time.Duration) (net.Conn, error) {
	to, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	return net.DialTimeout(to.Network(), to.Dialed(), patience)
}
