package namespaces

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// initialUser is the inode of the initial user namespace on every machine (USER_NS_INIT_INO of
// linux/nsfs.h).
const initialUser = 0xEFFFFFFD

// Capable reports whether the calling thread has one of the capabilities (capabilities(7)) in
// the initial user namespace, and not only in a user namespace of its own.
func Capable(capabilities ...int) bool {
	info, err := os.Stat("/proc/self/ns/user")
	if err != nil {
		return false
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Ino != initialUser {
		return false
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return false
	}
	for _, c := range capabilities {
		if sets[c/32].Effective&(1<<(c%32)) != 0 {
			return true
		}
	}
	return false
}
