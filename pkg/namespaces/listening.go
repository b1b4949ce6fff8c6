package namespaces

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sockets are descriptors of sockets on which another process listens. They are plain numbers:
// an os.File could change flags that the process shares.
type Sockets []int

// Close closes them. Connections that wait there are reset if no process has the socket.
func (s Sockets) Close() {
	for _, fd := range s {
		_ = unix.Close(fd)
	}
}

// Files returns files with descriptors of their own, without the ones that cannot be duplicated. The caller closes them.
func (s Sockets) Files() (list []*os.File) {
	for _, fd := range s {
		if own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			list = append(list, os.NewFile(uintptr(own), "socket"))
		}
	}
	return list
}

// maxListeners limits the listeners of one process, and maxLooked the descriptors that are
// examined: both belong to a tenant.
const (
	maxListeners = 64 // with their paths fewer than wire.MaxSockets
	maxLooked    = 4096
)

// Listening duplicates the TCP and unix stream sockets on which the process listens (pidfd_getfd(2)), of all
// networks, or only of the one with that cookie (SO_NETNS_COOKIE of socket(7)). After a unix socket with a path
// comes a descriptor of the file there (O_PATH). It needs
// the right to trace the process; without it, or when the process has ended, there are none. Of
// several descriptors of a socket there is one: giving up a second one would end the
// listening on the first. It does not wait for the process. The caller closes them.
func (p *Process) Listening(network uint64) (found Sockets) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", p.PID))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxLooked)
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return nil
	}
	seen := map[uint64]bool{}
	_ = raw.Control(func(pidfd uintptr) {
		for _, name := range names {
			n, err := strconv.Atoi(name)
			if err != nil || n <= 2 || len(found) >= maxListeners || !isSocket(dir, name) {
				continue // the close of a file could block
			}
			fd, err := unix.PidfdGetfd(int(pidfd), n, 0)
			if err != nil {
				continue
			}
			cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
			if err != nil || seen[cookie] || network != 0 && networkOf(fd) != network {
				_ = unix.Close(fd)
				continue
			}
			seen[cookie] = true
			found = append(found, withPath(fd)...)
		}
	})
	return found
}

// isSocket reports whether a name in /proc/PID/fd leads to a socket.
func isSocket(dir *os.File, name string) bool {
	var text [32]byte
	n, err := unix.Readlinkat(int(dir.Fd()), name, text[:])
	return err == nil && strings.HasPrefix(string(text[:n]), "socket:[")
}

// networkOf returns the cookie of the network namespace of a socket; zero: unknown.
func networkOf(fd int) uint64 {
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

// withPath returns a listening TCP socket (or MPTCP, the default of Go), or a unix stream socket with its path.
// It closes any other descriptor.
func withPath(fd int) Sockets {
	switch domain, listens := listeningDomain(fd); {
	case !listens:
	case domain == unix.AF_INET, domain == unix.AF_INET6:
		return Sockets{fd}
	case domain == unix.AF_UNIX:
		bound, err := unix.Getsockname(fd)
		if u, ok := bound.(*unix.SockaddrUnix); err != nil || !ok || u.Name == "" {
			break
		} else if u.Name[0] == '@' {
			return Sockets{fd}
		}
		if path, ok := pathOf(fd); ok {
			return Sockets{fd, path}
		}
	}
	_ = unix.Close(fd)
	return nil
}

// listeningDomain reports whether a descriptor is a listening stream socket, and its domain.
func listeningDomain(fd int) (domain int, listens bool) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, false
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	on, fail := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return domain, err == nil && fail == nil && kind == unix.SOCK_STREAM && on == 1
}

// siocUnixFile opens the file to which a unix socket is bound, with O_PATH (SIOCUNIXFILE of the kernel's
// include/uapi/linux/un.h). It needs CAP_NET_ADMIN in the user namespace of the socket's network.
const siocUnixFile = 0x89e0

// pathOf opens the file of a bound unix socket. ok is false when no name leads to it any more.
func pathOf(fd int) (path int, ok bool) {
	path, err := unix.IoctlRetInt(fd, siocUnixFile)
	if err != nil {
		return 0, false
	}
	unix.CloseOnExec(path)
	var st unix.Stat_t
	if unix.Fstat(path, &st) != nil || st.Nlink == 0 {
		_ = unix.Close(path)
		return 0, false
	}
	return path, true
}
