package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Caller is a client process at a unix socket. Its pid is not reused for another process until
// Close.
type Caller struct {
	// PID in the pid namespace of this process.
	PID int
	// UID is the effective user at the time of connecting or sending, in the user namespace of
	// this process.
	UID int
	// Groups are its effective and its supplementary groups then. Empty for the sender of a
	// datagram.
	Groups []uint32
	pidfd  int
}

// CallerOf returns the process that connected the socket, by SO_PEERCRED and SO_PEERPIDFD
// (unix(7)). It returns an error when the process has ended.
func CallerOf(socket int) (*Caller, error) {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, fmt.Errorf("cannot identify the client: %w", err)
	}
	groups, err := peerGroups(socket)
	if err != nil {
		return nil, fmt.Errorf("cannot identify the client: %w", err)
	}
	groups = append(groups, cred.Gid)
	pidfd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if errors.Is(err, unix.ENOPROTOOPT) {
		c, err := callerByPID(cred)
		if err == nil {
			c.Groups = groups
		}
		return c, err
	}
	if err != nil {
		return nil, fmt.Errorf("cannot identify the client: %w", err)
	}
	return &Caller{int(cred.Pid), int(cred.Uid), groups, pidfd}, nil
}

// peerGroups returns the supplementary groups of the process that connected a socket
// (SO_PEERGROUPS, since Linux 4.13).
func peerGroups(socket int) ([]uint32, error) {
	for room := uint32(32); ; {
		groups, size := make([]uint32, room), 4*room
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(unsafe.SliceData(groups))), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case e == 0:
			return groups[:size/4], nil
		case e != unix.ERANGE || size <= 4*room:
			return nil, os.NewSyscallError("getsockopt", e)
		}
		room = size / 4
	}
}

// callerByPID is for Linux before 6.5: the process may be a later one with the same pid.
func callerByPID(cred *unix.Ucred) (*Caller, error) {
	pidfd, err := unix.PidfdOpen(int(cred.Pid), 0)
	if err != nil {
		return nil, fmt.Errorf("cannot identify the client, process %d: %w", cred.Pid, err)
	}
	return &Caller{PID: int(cred.Pid), UID: int(cred.Uid), pidfd: pidfd}, nil
}

// TellSenders makes the kernel add the sender to each datagram of a socket, for SenderOf.
func TellSenders(socket int) error {
	for _, option := range []int{unix.SO_PASSCRED, unix.SO_PASSPIDFD} {
		err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, option, 1)
		if err != nil && (option == unix.SO_PASSCRED || !errors.Is(err, unix.ENOPROTOOPT)) {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// maxRights is the largest number of descriptors in a message (SCM_MAX_FD of unix(7)).
const maxRights = 253

// SenderSpace returns the buffer size for the control messages of a datagram.
func SenderSpace() int {
	return unix.CmsgSpace(unix.SizeofUcred) + unix.CmsgSpace(4) + unix.CmsgSpace(4*maxRights)
}

// SenderOf returns the process that sent a datagram with these control messages and flags. It
// closes descriptors that came along. It returns an error when the sender has ended.
func SenderOf(control []byte, flags int) (*Caller, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	var cred *unix.Ucred
	pidfd, described := -1, false
	for i := range messages {
		switch m := &messages[i]; m.Header.Type {
		case unix.SCM_CREDENTIALS:
			cred, err = unix.ParseUnixCredentials(m)
		case unix.SCM_PIDFD:
			described = true
			if len(m.Data) >= 4 {
				pidfd = int(int32(binary.NativeEndian.Uint32(m.Data)))
			}
		case unix.SCM_RIGHTS:
			fds, _ := unix.ParseUnixRights(m)
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
	}
	switch {
	case err == nil && cred != nil && pidfd >= 0:
		return &Caller{PID: int(cred.Pid), UID: int(cred.Uid), pidfd: pidfd}, nil
	case err == nil && cred != nil && !described && flags&unix.MSG_CTRUNC == 0:
		return callerByPID(cred)
	case pidfd >= 0:
		unix.Close(pidfd)
	}
	return nil, errors.Join(errors.New("cannot identify the sender"), err)
}

// Close releases the process.
func (c *Caller) Close() { unix.Close(c.pidfd) }

// Shares reports whether the process is in the same namespace of one kind as this process. It
// returns an error when the process has ended, or when this process may not inspect it.
func (c *Caller) Shares(which Flags) (bool, error) {
	for _, n := range names {
		if n.flag == which {
			same, err := Shares(c.PID, n.entry)
			return same, c.sure(err)
		}
	}
	return false, fmt.Errorf("cannot compare namespaces %q: not exactly one", which)
}

// sure returns err, or an error when the process has ended by now: the pid may then have named
// another process.
func (c *Caller) sure(err error) error {
	if err == nil {
		err = unix.PidfdSendSignal(c.pidfd, 0, nil, 0)
		if errors.Is(err, unix.EPERM) { // it lives, and this process may not signal it
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("cannot inspect process %d: %w", c.PID, err)
	}
	return nil
}
