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
	sets, err := ownSets()
	if err != nil {
		return false
	}
	for _, c := range capabilities {
		if sets[c/32].Effective&(1<<(c%32)) != 0 {
			return true
		}
	}
	return false
}

// Powerless reports whether the calling thread has no capability and cannot raise any: it
// starts no process with more rights than it has, but by a set-user-id program.
func Powerless() bool {
	sets, err := ownSets()
	return err == nil && sets[0].Permitted == 0 && sets[1].Permitted == 0
}

// ownSets are the capabilities of the calling thread (capget(2)).
func ownSets() (sets [2]unix.CapUserData, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	err = unix.Capget(&header, &sets[0])
	return sets, err
}
