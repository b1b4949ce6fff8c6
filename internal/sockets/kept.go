package sockets

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Resumes reports whether Listen with these arguments would make a socket like this one, which
// another process has bound, and if so listens on it again. A socket of another user does not
// count: a process that this user has left behind may have it as well. The path of a unix socket must
// still lead to it.
func (s *Socket) Resumes(text string, o Options) bool {
	if !s.BoundTo(text) || !s.isOurs() {
		return false
	}
	if !address.InFiles(text) {
		return s.isHere() && o.Resume(int(s.FD()), text)
	}
	path := address.Absolute(text)
	if !s.made.Is(path) || !o.Resume(int(s.FD()), text) {
		return false
	}
	s.path = path
	return true
}

// SetFile names the file of a unix socket that another process has bound, by a descriptor of it.
func (s *Socket) SetFile(fd int) (err error) {
	s.made, err = address.FileAt(fd)
	return err
}

// isOurs reports whether this user has made the socket or, of a unix socket, was the last one to listen on
// it: another process may have made that one.
func (s *Socket) isOurs() bool {
	if !s.IsPort() {
		return address.ListenedBy(int(s.FD()), uint32(os.Geteuid()))
	}
	var st unix.Stat_t
	return unix.Fstat(int(s.FD()), &st) == nil && int(st.Uid) == os.Geteuid()
}

// GiveUp closes the descriptor of a listening socket and ends the listening, also when other
// processes have the socket: Listen can make its port or its path again (shutdown(2); a port needs
// SO_REUSEADDR). Connections in the queue of a TCP socket are reset. In the queue of a unix
// socket they wait until no process has the socket. The path of that goes, if it still leads to it.
func (s *Socket) GiveUp() {
	if bound, err := unix.Getsockname(int(s.FD())); s.made != (address.File{}) && err == nil {
		if u, ok := bound.(*unix.SockaddrUnix); ok {
			s.path = address.Absolute(u.Name)
			s.Remove()
		}
	}
	_ = unix.Shutdown(int(s.FD()), unix.SHUT_RDWR)
	s.Close()
}

// isHere reports whether the socket is in the network namespace of this thread.
func (s *Socket) isHere() bool {
	fresh, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fresh)
	ours, err := unix.GetsockoptUint64(fresh, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	its, fail := unix.GetsockoptUint64(int(s.FD()), unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	return err == nil && fail == nil && ours == its
}
