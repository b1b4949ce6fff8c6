//go:build amd64 || arm64

package namespaces

import "golang.org/x/sys/unix"

// callNumbers are the numbers of system calls that amd64 and arm64 have.
var callNumbers = [...]struct {
	name   string
	number uint32
}{
	{"acct", unix.SYS_ACCT},
	{"add_key", unix.SYS_ADD_KEY},
	{"adjtimex", unix.SYS_ADJTIMEX},
	{"bpf", unix.SYS_BPF},
	{"chroot", unix.SYS_CHROOT},
	{"clock_adjtime", unix.SYS_CLOCK_ADJTIME},
	{"clock_settime", unix.SYS_CLOCK_SETTIME},
	{"delete_module", unix.SYS_DELETE_MODULE},
	{"finit_module", unix.SYS_FINIT_MODULE},
	{"fsconfig", unix.SYS_FSCONFIG},
	{"fsmount", unix.SYS_FSMOUNT},
	{"fsopen", unix.SYS_FSOPEN},
	{"fspick", unix.SYS_FSPICK},
	{"init_module", unix.SYS_INIT_MODULE},
	{"io_uring_enter", unix.SYS_IO_URING_ENTER},
	{"io_uring_register", unix.SYS_IO_URING_REGISTER},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP},
	{"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD},
	{"kexec_load", unix.SYS_KEXEC_LOAD},
	{"keyctl", unix.SYS_KEYCTL},
	{"mount", unix.SYS_MOUNT},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR},
	{"move_mount", unix.SYS_MOVE_MOUNT},
	{"move_pages", unix.SYS_MOVE_PAGES},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT},
	{"open_tree", unix.SYS_OPEN_TREE},
	{"open_tree_attr", unix.SYS_OPEN_TREE_ATTR},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN},
	{"personality", unix.SYS_PERSONALITY},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD},
	{"pivot_root", unix.SYS_PIVOT_ROOT},
	{"process_vm_readv", unix.SYS_PROCESS_VM_READV},
	{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV},
	{"ptrace", unix.SYS_PTRACE},
	{"quotactl", unix.SYS_QUOTACTL},
	{"quotactl_fd", unix.SYS_QUOTACTL_FD},
	{"reboot", unix.SYS_REBOOT},
	{"request_key", unix.SYS_REQUEST_KEY},
	{"setns", unix.SYS_SETNS},
	{"settimeofday", unix.SYS_SETTIMEOFDAY},
	{"swapoff", unix.SYS_SWAPOFF},
	{"swapon", unix.SYS_SWAPON},
	{"syslog", unix.SYS_SYSLOG},
	{"umount2", unix.SYS_UMOUNT2},
	{"unshare", unix.SYS_UNSHARE},
	{"userfaultfd", unix.SYS_USERFAULTFD},
}

func commonNumber(name string) (number uint32, ok bool) {
	for _, c := range callNumbers {
		if c.name == name {
			return c.number, true
		}
	}
	return 0, false
}
