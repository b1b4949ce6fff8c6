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

// maxListeners limits the listeners of one process, and maxLooked the descriptors that are
// examined: both belong to a tenant.
const (
	maxListeners = 64 // no more than wire.MaxSockets
	maxLooked    = 4096
)

// Listening duplicates the TCP sockets on which the process listens (pidfd_getfd(2)). It needs
// the right to trace the process; without it, or when the process has ended, there are none. Of
// several descriptors of a socket there is one: giving up a second one would end the
// listening on the first. It does not wait for the process. The caller closes them.
func (p *Process) Listening() (found Sockets) {
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
			if err != nil || n <= 2 || len(found) == maxListeners || !isSocket(dir, name) {
				continue // the close of a file could block
			}
			fd, err := unix.PidfdGetfd(int(pidfd), n, 0)
			if err != nil {
				continue
			}
			cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
			if err != nil || seen[cookie] || !listens(fd) {
				_ = unix.Close(fd)
				continue
			}
			seen[cookie] = true
			found = append(found, fd)
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

// listens reports whether a descriptor is a listening TCP socket (or MPTCP, the default of Go).
func listens(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_INET && domain != unix.AF_INET6 {
		return false
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	on, fail := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && fail == nil && kind == unix.SOCK_STREAM && on == 1
}
