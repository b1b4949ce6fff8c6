package sockets

import (
	"os"

	"golang.org/x/sys/unix"
)

// Resumes reports whether Listen with these arguments would make a socket like this one, which
// another process has bound, and if so listens on it again. A socket of another user does not
// count: a process that this user has left behind may have it as well.
func (s *Socket) Resumes(address string, o Options) bool {
	var st unix.Stat_t
	if !s.BoundTo(address) || unix.Fstat(int(s.FD()), &st) != nil || int(st.Uid) != os.Geteuid() {
		return false
	}
	return s.isHere() && o.Resume(int(s.FD()), address)
}

// GiveUp closes the descriptor of a listening socket and ends the listening, also when other
// processes have the socket: Listen can make its port or its path again (shutdown(2); a port needs
// SO_REUSEADDR). Connections in the queue of a TCP socket are reset. In the queue of a unix
// socket they wait until no process has the socket.
func (s *Socket) GiveUp() {
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
