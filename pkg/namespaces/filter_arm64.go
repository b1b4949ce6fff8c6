package namespaces

import "golang.org/x/sys/unix"

// auditArch identifies the system calls of this processor (seccomp(2)).
const auditArch = unix.AUDIT_ARCH_AARCH64

// callNumber returns the number of a system call. ok is false when this processor does not have it.
func callNumber(name string) (number uint32, ok bool) {
	return commonNumber(name)
}
