package emperor

import "golang.org/x/sys/unix"

// Profile is a profile of system calls, compiled. An empty path: there is none.
type Profile struct {
	Path string
	Code []unix.SockFilter
}
