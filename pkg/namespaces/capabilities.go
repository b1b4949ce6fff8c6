package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities is a set of capabilities, one bit each (capabilities(7)).
type Capabilities uint64

// capabilityNames are the names of capabilities without CAP_, in the order of their numbers
// (linux/capability.h).
const capabilityNames = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable " +
	"net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct " +
	"sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override " +
	"mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"

// CapabilityNames yields the names of capabilities without CAP_, in the order of their numbers.
func CapabilityNames(yield func(string) bool) { strings.FieldsSeq(capabilityNames)(yield) }

// ParseCapability returns the set of one capability: its name in any case, with or without CAP_,
// or its number.
func ParseCapability(word string) (c Capabilities, known bool) {
	if n, err := strconv.ParseUint(word, 10, 6); err == nil {
		return 1 << n, true
	}
	word = strings.TrimPrefix(strings.ToLower(word), "cap_")
	n := 0
	for name := range CapabilityNames {
		if name == word {
			return 1 << n, true
		}
		n++
	}
	return 0, false
}

// String lists the names, or the numbers of capabilities without a name; none is the empty set.
func (c Capabilities) String() string {
	if c == 0 {
		return "none"
	}
	names := strings.Fields(capabilityNames)
	var list []string
	for n := range 64 {
		switch {
		case c>>n&1 == 0:
		case n < len(names):
			list = append(list, names[n])
		default:
			list = append(list, strconv.Itoa(n))
		}
	}
	return strings.Join(list, ",")
}

// Same reports whether both sets are equal, or both nil.
func (c *Capabilities) Same(other *Capabilities) bool {
	return c == other || c != nil && other != nil && *c == *other
}

// hex is the form of proc_pid_status(5).
func (c Capabilities) hex() string { return fmt.Sprintf("%016x", uint64(c)) }

// forDrop are the capabilities by which a process drops its privileges.
const forDrop Capabilities = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETPCAP

// Bound limits the capabilities that programs of this process can have to c, in every thread, for
// ever: it reduces the bounding set. The process itself also loses the others, except those for the
// drop of its privileges. After an error the process must not continue.
func (c Capabilities) Bound() error {
	now, err := ownCapabilities()
	if err == nil {
		err = now.reduce(c)
	}
	if err != nil {
		return err
	}
	now = now.bound(c)
	if os.Geteuid() == 0 {
		now.inheritable = 0 // root does not need them, and its start may have left some (Ahead)
	}
	if err := now.set(); err != nil {
		return fmt.Errorf("cannot give up capabilities: %w", asThreads(err))
	}
	return now.verify()
}

// Bounds returns the effect that Bound would have on this process: the numbers that leave the
// bounding set, and the sets of capset(2) afterwards.
func (c Capabilities) Bounds() (surplus []int, sets [2]unix.CapUserData, err error) {
	now, err := ownCapabilities()
	if err != nil {
		return nil, sets, err
	}
	return (now.bounding &^ c).Numbers(), now.bound(c).data(), nil
}

// Ahead returns the numbers that Bound or Retain would remove from the bounding set of this process, and sets of capset(2)
// in which all permitted capabilities are inheritable. A process of root with these sets, whose bounding set is reduced
// after them, executes a program without a loss: the program has the same permitted capabilities (capabilities(7),
// transformation during execve). Bound and Keep then give up the rest without a change of the bounding set, which takes one
// system call for each capability in each thread.
func (c Capabilities) Ahead() (surplus []int, sets [2]unix.CapUserData, err error) {
	now, err := ownCapabilities()
	if err != nil {
		return nil, sets, err
	}
	now.inheritable = now.permitted & now.bounding
	return (now.bounding &^ c).Numbers(), now.data(), nil
}

// Surplus returns the numbers that Retain would remove from the bounding set of this process, or an error when the
// process does not have all of c.
func (c Capabilities) Surplus() (numbers []int, err error) {
	now, err := ownCapabilities()
	if err == nil {
		err = now.has(c)
	}
	if err != nil {
		return nil, err
	}
	return (now.bounding &^ c).Numbers(), nil
}

// Numbers lists the numbers of a set, in order.
func (c Capabilities) Numbers() (list []int) {
	for n := range 64 {
		if c>>n&1 != 0 {
			list = append(list, n)
		}
	}
	return list
}

// has returns an error unless all of c can be kept.
func (s capabilitySets) has(c Capabilities) error {
	if missing := c &^ (s.permitted & s.bounding); missing != 0 {
		return fmt.Errorf("cannot keep %v: this process does not have it", missing)
	}
	return nil
}

// Retain prepares a change of ids after which the process keeps the capabilities c (Keep). It reduces
// the bounding set to c.
func (c Capabilities) Retain() error {
	now, err := ownCapabilities()
	if err != nil {
		return err
	}
	if err := now.has(c); err != nil {
		return err
	}
	if err := now.reduce(c); err != nil {
		return err
	}
	if err := inThreads(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1); err != nil {
		return fmt.Errorf("cannot keep capabilities: %w", asThreads(err))
	}
	return nil
}

// Keep makes c all capabilities of every thread, whatever its user, and of the programs that it
// executes (ambient capabilities). Retain comes before it. After an error the process must not
// continue.
func (c Capabilities) Keep() error {
	all := capabilitySets{permitted: c, effective: c, inheritable: c, bounding: c, ambient: c}
	err := inThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	if err == nil {
		err = all.set()
	}
	for n := range uintptr(64) {
		if err == nil && c>>n&1 != 0 {
			err = inThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, n)
		}
	}
	if err == nil {
		err = inThreads(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0)
	}
	if err != nil {
		return fmt.Errorf("cannot keep the capabilities %v: %w", c, asThreads(err))
	}
	return all.verify()
}

// Hold is Retain and Keep, for a process whose ids do not change.
func (c Capabilities) Hold() error {
	if err := c.Retain(); err != nil {
		return err
	}
	return c.Keep()
}

// Kept returns the sets of capset(2) after Keep.
func (c Capabilities) Kept() [2]unix.CapUserData {
	return capabilitySets{permitted: c, effective: c, inheritable: c}.data()
}

// capabilitySets are the sets of one thread.
type capabilitySets struct{ permitted, effective, inheritable, bounding, ambient Capabilities }

// ownCapabilities returns the sets of the calling thread.
func ownCapabilities() (own capabilitySets, err error) {
	sets, err := ownSets()
	if err != nil {
		return own, os.NewSyscallError("capget", err)
	}
	join := func(low, high uint32) Capabilities { return Capabilities(low) | Capabilities(high)<<32 }
	own.permitted, own.effective = join(sets[0].Permitted, sets[1].Permitted), join(sets[0].Effective, sets[1].Effective)
	own.inheritable = join(sets[0].Inheritable, sets[1].Inheritable)
	for n := range 64 {
		in := func(operation int, argument, number uintptr) bool {
			is, err := unix.PrctlRetInt(operation, argument, number, 0, 0)
			return err == nil && is == 1 // EINVAL: the kernel does not know that one
		}
		if in(unix.PR_CAPBSET_READ, uintptr(n), 0) {
			own.bounding |= 1 << n
		}
		if in(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(n)) {
			own.ambient |= 1 << n
		}
	}
	return own, nil
}

// reduce removes all capabilities but c from the bounding set of every thread.
func (s capabilitySets) reduce(c Capabilities) error {
	surplus := s.bounding &^ c
	for n := range uintptr(64) {
		if surplus>>n&1 == 0 {
			continue
		}
		if err := inThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, n); err != nil {
			return fmt.Errorf("cannot reduce the bounding set of capabilities: %w", asThreads(err))
		}
	}
	return nil
}

// bound returns the sets after Bound.
func (s capabilitySets) bound(c Capabilities) capabilitySets {
	s.bounding &= c
	s.permitted &= c | forDrop
	s.effective, s.inheritable = s.effective&s.permitted, s.inheritable&c
	return s
}

// data returns the three sets of capset(2).
func (s capabilitySets) data() (data [2]unix.CapUserData) {
	for i := range data {
		part := func(c Capabilities) uint32 { return uint32(c >> (32 * i)) }
		data[i] = unix.CapUserData{Permitted: part(s.permitted), Effective: part(s.effective), Inheritable: part(s.inheritable)}
	}
	return data
}

// set sets these sets in every thread.
func (s capabilitySets) set() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := s.data()
	return inThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])))
}

// verify reads the sets of every thread back. The kernel removes an ambient capability with the
// inheritable or the permitted one.
func (s capabilitySets) verify() error {
	s.ambient &= s.inheritable & s.permitted
	lines := [...]struct {
		name string
		set  Capabilities
	}{{"CapInh", s.inheritable}, {"CapPrm", s.permitted}, {"CapEff", s.effective}, {"CapBnd", s.bounding}, {"CapAmb", s.ambient}}
	check := func(status fields) error {
		for _, l := range lines {
			if err := status.want(l.name, l.set.hex()); err != nil {
				return err
			}
		}
		return nil
	}
	if err := eachThread(check, "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"); err != nil {
		return fmt.Errorf("cannot verify capabilities: %w", err)
	}
	return nil
}

// asThreads explains the error of inThreads in a program with C functions.
func asThreads(err error) error {
	if errors.Is(err, unix.ENOTSUP) {
		return errors.New("a program with C functions cannot change all its threads")
	}
	return err
}
