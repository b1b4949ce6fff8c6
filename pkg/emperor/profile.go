package emperor

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Profile is a profile of system calls, compiled. An empty path: there is none.
type Profile struct {
	Path string
	Code []unix.SockFilter
}

// same reports whether both refuse the same calls.
func (p Profile) same(q Profile) bool { return p.Path == q.Path && slices.Equal(p.Code, q.Code) }

// profileChanged is the reason for a new process.
const profileChanged = "its profile of system calls has changed"
