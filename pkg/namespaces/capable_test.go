package namespaces

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCapable(t *testing.T) {
	needRoot(t)
	if !Capable(unix.CAP_SYS_ADMIN) || !Capable(unix.CAP_AUDIT_READ, unix.CAP_SETUID) {
		t.Skip("needs root of the machine")
	}
	if Powerless() {
		t.Error("root has no capability")
	}
	if Capable() {
		t.Error("capable of nothing")
	}
}

func TestCapableInAUserNamespace(t *testing.T) {
	identity := []syscall.SysProcIDMap{{Size: 1 << 16}}
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: identity, GidMappings: identity}) {
		return
	}
	if Capable(unix.CAP_SYS_ADMIN) {
		t.Error("root of a user namespace is capable of what root of the machine is")
	}
}

func TestCapableWithoutPrivileges(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}) {
		return
	}
	if Capable(unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE) || !Powerless() {
		t.Error("the user nobody is capable")
	}
}
