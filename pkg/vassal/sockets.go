package vassal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// socket is a listening socket that outlives workers.
type socket struct {
	name, address string
	file          *os.File
	path          string // of a unix socket
	inode         uint64 // of that path, to remove only what is ours
}

// bind makes the sockets. Privileges are gone by now, so a port below 1024
// needs a capability or a sysctl, as in uWSGI.
func (v *Vassal) bind(context.Context) error {
	for _, s := range v.options.Sockets {
		made, err := listen(s.Name, s.Address)
		if err != nil {
			return err
		}
		v.sockets = append(v.sockets, made)
		v.Log.Info("listening", s.Name, s.Address)
	}
	return nil
}

func listen(name, address string) (*socket, error) {
	s := &socket{name: name, address: address}
	network := "tcp"
	if !strings.Contains(address, ":") || strings.HasPrefix(address, "/") {
		network, s.path = "unix", address
		removeStale(address)
	}
	l, err := net.Listen(network, address)
	if err == nil {
		defer l.Close()
		s.file, err = file(l)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s %q: %w", name, address, cause(err))
	}
	if s.path != "" {
		var st unix.Stat_t
		if err := unix.Lstat(s.path, &st); err == nil {
			s.inode = st.Ino
		}
	}
	return s, nil
}

// file takes the descriptor out of a listener and leaves its path in place.
func file(l net.Listener) (*os.File, error) {
	switch l := l.(type) {
	case *net.UnixListener:
		l.SetUnlinkOnClose(false)
		return l.File()
	case *net.TCPListener:
		return l.File()
	}
	return nil, errors.New("unknown kind of socket")
}

// removeStale removes a unix socket that nobody listens on any more.
func removeStale(path string) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return
	} else if !errors.Is(err, unix.ECONNREFUSED) {
		return
	}
	_ = os.Remove(path)
}

// closeSockets closes what was bound and removes paths that are still ours.
func (v *Vassal) closeSockets() {
	for _, s := range v.sockets {
		var st unix.Stat_t
		if s.path != "" && unix.Lstat(s.path, &st) == nil && st.Ino == s.inode {
			_ = os.Remove(s.path)
		}
		s.file.Close()
	}
}

// cause strips what the sentence around the error says already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}
