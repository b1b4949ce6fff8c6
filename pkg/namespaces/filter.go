package namespaces

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Filter lists the system calls that a process and its programs may not make, sorted by name
// (seccomp(2)). A refused call returns EPERM. Nil: there is no filter.
type Filter []string

// filterGroups are the groups of system calls that a filter refuses, each a line of its name and its
// calls. tiocsti and tioclinux are requests of ioctl(2) that put input into a terminal. clone is
// refused only with new namespaces.
const filterGroups = `@mount chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root umount2
@namespaces clone setns unshare
@debug perf_event_open pidfd_getfd process_vm_readv process_vm_writev ptrace
@keyring add_key keyctl request_key
@io-uring io_uring_enter io_uring_register io_uring_setup
@terminal tioclinux tiocsti
@module delete_module finit_module init_module
@reboot kexec_file_load kexec_load reboot
@system acct adjtimex bpf clock_adjtime clock_settime ioperm iopl move_pages open_by_handle_at personality quotactl quotactl_fd settimeofday swapoff swapon syslog userfaultfd
`

// FilterNames yields the groups and the names that ParseFilter knows.
func FilterNames(yield func(string) bool) {
	for word := range strings.FieldsSeq(filterGroups) {
		if !yield(word) {
			return
		}
	}
}

// namesOf returns the calls of a group, or the one of that name. Nil: there is none.
func namesOf(word string) []string {
	for line := range strings.Lines(filterGroups) {
		if words := strings.Fields(line); words[0] == word {
			return words[1:]
		} else if slices.Contains(words[1:], word) {
			return []string{word}
		}
	}
	return nil
}

// DefaultFilter refuses every call of every group.
func DefaultFilter() Filter {
	var f Filter
	for word := range FilterNames {
		if word[0] != '@' {
			f = append(f, word)
		}
	}
	slices.Sort(f)
	return f
}

// UnknownCallError is returned for a word that is neither a system call nor a group of the filter.
type UnknownCallError struct{ Word string }

func (e *UnknownCallError) Error() string { return fmt.Sprintf("unknown system call %q", e.Word) }

// ParseFilter parses words: default is every group, @GROUP and NAME refuse, ~NAME and ~@GROUP permit.
// Only words that permit mean all others. off is no filter.
func ParseFilter(text string) (Filter, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	if len(words) == 0 {
		return nil, errors.New("no filter given")
	}
	if len(words) == 1 && words[0] == "off" {
		return nil, nil
	}
	refused := Filter{}
	if !slices.ContainsFunc(words, func(word string) bool { return word[0] != '~' }) {
		refused = DefaultFilter()
	}
	for _, permits := range []bool{false, true} {
		for _, word := range words {
			name, is := strings.CutPrefix(word, "~")
			names := namesOf(name)
			switch {
			case is != permits:
				continue
			case word == "default":
				names = DefaultFilter()
			case names == nil:
				return nil, &UnknownCallError{name}
			}
			refused = slices.DeleteFunc(refused, func(one string) bool { return slices.Contains(names, one) })
			if !permits {
				refused = append(refused, names...)
			}
		}
	}
	slices.Sort(refused)
	return refused, nil
}

// And returns a filter that refuses the calls of both.
func (f Filter) And(other Filter) Filter {
	both := append(slices.Clone(f), other...)
	slices.Sort(both)
	return slices.Compact(both)
}

// instruction offsets of struct seccomp_data, and the limit of the second system call table of
// x86-64 (X32_SYSCALL_BIT).
const (
	dataNumber, dataArch, dataFirst = 0, 4, 16
	x32                             = 0x40000000
)

// newNamespaces are the flags of clone(2) that make namespaces. CLONE_NEWTIME is no flag of it.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// program assembles the filter.
func (f Filter) program() []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	unless := func(test uint16, k uint32, skip int) unix.SockFilter { // goes on if the test holds, and skips instructions if it does not
		return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jf: uint8(skip)}
	}
	end := func(action, errno uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action | errno}
	}
	refuse, missing, permit := end(unix.SECCOMP_RET_ERRNO, uint32(unix.EPERM)), end(unix.SECCOMP_RET_ERRNO, uint32(unix.ENOSYS)), end(unix.SECCOMP_RET_ALLOW, 0)
	p := []unix.SockFilter{
		load(dataArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jt: 1},
		end(unix.SECCOMP_RET_KILL_PROCESS, 0),
		load(dataNumber),
		unless(unix.BPF_JGE, x32, 1), missing,
	}
	var requests []uint32
	for _, name := range f {
		switch name {
		case "clone":
			p = append(p, unless(unix.BPF_JEQ, unix.SYS_CLONE3, 1), missing)
			p = append(p, unless(unix.BPF_JEQ, unix.SYS_CLONE, 4), load(dataFirst), unless(unix.BPF_JSET, newNamespaces, 1), refuse, permit)
		case "tiocsti":
			requests = append(requests, unix.TIOCSTI)
		case "tioclinux":
			requests = append(requests, tioclinux)
		default:
			if number, ok := callNumber(name); ok {
				p = append(p, unless(unix.BPF_JEQ, number, 1), refuse)
			}
		}
	}
	if len(requests) > 0 { // the kernel compares 32 bits of the request
		p = append(p, unless(unix.BPF_JEQ, unix.SYS_IOCTL, 2+2*len(requests)), load(dataFirst+8))
		for _, r := range requests {
			p = append(p, unless(unix.BPF_JEQ, r, 1), refuse)
		}
		p = append(p, permit)
	}
	return append(p, permit)
}

// tioclinux is a request of ioctl_console(2) that x/sys does not have.
const tioclinux = 0x541C

// Load loads the filter in every thread of this process, for ever. First it sets no_new_privs in every thread.
// The instructions of a profile follow the filter, if there are any: of both results for a call the kernel
// takes the stricter one. With log the kernel logs refused calls (SECCOMP_FILTER_FLAG_LOG). After an error the
// process must not continue.
func (f Filter) Load(log bool, profile []unix.SockFilter) error {
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC)
	if log {
		flags |= unix.SECCOMP_FILTER_FLAG_LOG
	}
	for _, code := range [][]unix.SockFilter{f.program(), profile} {
		if err := load(code, flags); err != nil {
			return fmt.Errorf("cannot load the filter of system calls: %w", err)
		}
	}
	check := func(status fields) error {
		if err := status.want("Seccomp", "2"); err != nil {
			return err
		}
		return status.want("NoNewPrivs", "1")
	}
	if err := eachThread(check, "Seccomp", "NoNewPrivs"); err != nil {
		return fmt.Errorf("cannot verify the filter of system calls: %w", err)
	}
	return nil
}

// load is for the calling thread, and with SECCOMP_FILTER_FLAG_TSYNC for all.
func load(instructions []unix.SockFilter, flags uintptr) error {
	if len(instructions) == 0 {
		return nil
	}
	if auditArch == 0 {
		return errors.New("the numbers of the system calls of " + runtime.GOARCH + " are not known")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}

// filtersOf returns the number of filters of system calls that a process has. A kernel before 5.9 only
// reports whether there is one.
func filtersOf(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return filtersIn(text)
}

// filtersIn is filtersOf for the text of proc_pid_status(5).
func filtersIn(text []byte) (int, error) {
	status := fieldsOf(linesOf(text, []string{"Seccomp", "Seccomp_filters"}))
	switch number, counted := status["Seccomp_filters"]; {
	case counted:
		return strconv.Atoi(number)
	case status["Seccomp"] == "2":
		return 1, nil
	}
	return 0, nil
}
