package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sizes and numbers of sock_diag(7).
const (
	sockDiagByFamily = 20
	diagHeader       = unix.SizeofNlMsghdr
	inetRequest      = 56
	inetMessage      = 72
	unixMessage      = 16
	unixShowPeer     = 4
	unixDiagPeer     = 2
	// listening is the state of a TCP socket that waits for connections.
	listening = 10
)

// errNoSocket is returned when the other end of a connection is in another network namespace.
var errNoSocket = errors.New("the other end of the connection is not in this network namespace")

// Accepted returns the inode of the socket at the other end of a connection, which identifies
// the process that has it. It is zero before a process has accepted the connection. The other
// end must be in the caller's network namespace.
//
// Source: sock_diag(7); when the kernel has no such module, proc_net(5) for TCP.
func Accepted(conn int) (inode uint64, err error) {
	own, err := unix.Getsockname(conn)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	if _, ok := own.(*unix.SockaddrUnix); ok {
		return acceptedUnix(conn)
	}
	peer, err := unix.Getpeername(conn)
	if err != nil {
		return 0, os.NewSyscallError("getpeername", err)
	}
	here, there := endpoint(own), endpoint(peer)
	answers, err := askDiag(inetQuery(there, here), 0)
	if err == nil && len(answers) > 0 && len(answers[0]) >= inetMessage {
		a := answers[0]
		if a[1] == listening || binary.BigEndian.Uint16(a[6:]) != here.Port() { // it is not complete yet
			return 0, nil
		}
		return uint64(binary.NativeEndian.Uint32(a[68:])), nil
	}
	return acceptedTCP(there, here)
}

// endpoint is an address and a port for comparison; an IPv4 address in an IPv6 socket becomes
// IPv4.
func endpoint(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// inetQuery requests one socket by both ends.
func inetQuery(own, other netip.AddrPort) []byte {
	q := make([]byte, inetRequest)
	q[0], q[1] = unix.AF_INET, unix.IPPROTO_TCP
	if own.Addr().Is6() {
		q[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(q[4:], ^uint32(0)) // any state
	binary.BigEndian.PutUint16(q[8:], own.Port())
	binary.BigEndian.PutUint16(q[10:], other.Port())
	copy(q[12:28], own.Addr().AsSlice())
	copy(q[28:44], other.Addr().AsSlice())
	binary.NativeEndian.PutUint64(q[48:], ^uint64(0)) // any cookie
	return q
}

// acceptedUnix finds the peer of a unix socket.
func acceptedUnix(conn int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(conn, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	q := make([]byte, 24)
	q[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(q[4:], ^uint32(0))
	binary.NativeEndian.PutUint32(q[8:], uint32(st.Ino))
	binary.NativeEndian.PutUint32(q[12:], unixShowPeer)
	binary.NativeEndian.PutUint64(q[16:], ^uint64(0))
	answers, err := askDiag(q, 0)
	if err != nil {
		return 0, err
	}
	if len(answers) == 0 || len(answers[0]) < unixMessage {
		return 0, errNoSocket
	}
	for b := answers[0][unixMessage:]; len(b) >= 8; { // attributes of netlink(7)
		size := int(binary.NativeEndian.Uint16(b))
		if binary.NativeEndian.Uint16(b[2:]) == unixDiagPeer {
			return uint64(binary.NativeEndian.Uint32(b[4:])), nil
		}
		if size = (size + 3) &^ 3; size < 4 || size > len(b) {
			break
		}
		b = b[size:]
	}
	return 0, errNoSocket
}

// Listeners returns the inodes of the TCP sockets that listen on a port in the caller's
// network namespace.
func Listeners(port uint16) (inodes []uint64, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		q := make([]byte, inetRequest)
		q[0], q[1] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(q[4:], 1<<listening)
		answers, failed := askDiag(q, unix.NLM_F_DUMP)
		if failed != nil {
			return listenersTCP(port)
		}
		for _, a := range answers {
			if len(a) >= inetMessage && a[1] == listening && binary.BigEndian.Uint16(a[4:]) == port {
				inodes = append(inodes, uint64(binary.NativeEndian.Uint32(a[68:])))
			}
		}
	}
	return inodes, nil
}

// askDiag sends a request to sock_diag(7) and returns the answers without their headers.
func askDiag(query []byte, flags uint16) (answers [][]byte, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for sockets: %w", err)
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
	message := make([]byte, diagHeader, diagHeader+len(query))
	binary.NativeEndian.PutUint32(message, uint32(diagHeader+len(query)))
	binary.NativeEndian.PutUint16(message[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST|flags)
	if err := unix.Sendto(fd, append(message, query...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("cannot ask for sockets: %w", err)
	}
	buffer := make([]byte, 32<<10)
	for {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot ask for sockets: %w", err)
		}
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue // any process may send to this socket
		}
		more, over, err := diagAnswers(buffer[:n])
		answers = append(answers, more...)
		if err != nil || over || flags&unix.NLM_F_DUMP == 0 {
			return answers, err
		}
	}
}

// diagAnswers divides a datagram of netlink(7). over is true after the last one of a dump.
func diagAnswers(b []byte) (answers [][]byte, over bool, err error) {
	for len(b) >= diagHeader {
		size := int(binary.NativeEndian.Uint32(b))
		if size < diagHeader || size > len(b) {
			return answers, true, nil
		}
		body := b[diagHeader:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return answers, true, nil
		case unix.NLMSG_ERROR:
			if len(body) >= 4 {
				err = unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
			}
			return answers, true, err
		default:
			answers = append(answers, append([]byte(nil), body...))
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return answers, false, nil
}

// tcpSocket is a line of /proc/net/tcp or tcp6.
type tcpSocket struct {
	own, other netip.AddrPort
	state      uint64
	inode      uint64
}

// tcpSockets reads the TCP sockets of the caller's network namespace from proc_net(5).
func tcpSockets() (list []tcpSocket, err error) {
	for _, file := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		text, failed := os.ReadFile(file)
		if failed != nil {
			err = failed
			continue
		}
		for line := range strings.Lines(string(text)) {
			if s, ok := parseTCP(line); ok {
				list = append(list, s)
			}
		}
	}
	if len(list) > 0 {
		err = nil
	}
	return list, err
}

// parseTCP parses a line of proc_net(5), in which addresses are words of the machine's order
// in hexadecimal. ok is false for the heading.
func parseTCP(line string) (s tcpSocket, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return s, false
	}
	var failed [4]error
	s.own, failed[0] = hexEndpoint(fields[1])
	s.other, failed[1] = hexEndpoint(fields[2])
	s.state, failed[2] = strconv.ParseUint(fields[3], 16, 8)
	s.inode, failed[3] = strconv.ParseUint(fields[9], 10, 64)
	return s, errors.Join(failed[:]...) == nil
}

func hexEndpoint(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var address []byte
	for ; len(host) >= 8; host = host[8:] {
		word, err := strconv.ParseUint(host[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		address = binary.NativeEndian.AppendUint32(address, uint32(word))
	}
	ip, ok := netip.AddrFromSlice(address)
	if !ok {
		return netip.AddrPort{}, strconv.ErrSyntax
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

func acceptedTCP(own, other netip.AddrPort) (uint64, error) {
	list, err := tcpSockets()
	if err != nil {
		return 0, err
	}
	for _, s := range list {
		if s.own == own && s.other == other {
			return s.inode, nil
		}
	}
	return 0, errNoSocket
}

func listenersTCP(port uint16) (inodes []uint64, err error) {
	list, err := tcpSockets()
	for _, s := range list {
		if s.state == listening && s.own.Port() == port {
			inodes = append(inodes, s.inode)
		}
	}
	return inodes, err
}
