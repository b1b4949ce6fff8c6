package address

import "golang.org/x/sys/unix"

// ListenedBy reports whether a user was the last one to listen on a unix socket (SO_PEERCRED of unix(7)). The owner of
// its file says less: another user may have a socket that was bound in this user's name, and may have listened on it.
// A socket whose listener the kernel does not name is not this user's.
func ListenedBy(fd int, uid uint32) bool {
	last, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	return err == nil && last.Uid == uid
}
