package bootlist

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// capabilityWords is the number of structs cap_user_data_t, each with the effective, permitted and
// inheritable capabilities of 32 numbers, and capabilityWord the size of one (capget(2)).
const (
	capabilityWords = 2
	capabilityWord  = 12
)

// retain is namespaces.Capabilities.Retain.
func retain(l *List, c namespaces.Capabilities) {
	surplus, err := c.Surplus()
	if err != nil {
		l.unfit = err
		return
	}
	reduce(l, surplus)
	l.add(because("cannot keep capabilities"), succeeds, unix.SYS_PRCTL, number(unix.PR_SET_KEEPCAPS), number(1))
}

// keep is namespaces.Capabilities.Keep.
func keep(l *List, c namespaces.Capabilities) {
	why, verify := because("cannot keep the capabilities %v", c), because("cannot verify capabilities")
	ambient := func(how int, n int) *call {
		return l.add(why, returns, unix.SYS_PRCTL, number(unix.PR_CAP_AMBIENT), number(how), number(n), number(0), number(0))
	}
	ambient(unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
	setCapabilities(l, why, c.Kept())
	for _, n := range c.Numbers() {
		ambient(unix.PR_CAP_AMBIENT_RAISE, n)
		ambient(unix.PR_CAP_AMBIENT_IS_SET, n).result = 1
	}
	l.add(verify, succeeds, unix.SYS_PRCTL, number(unix.PR_SET_KEEPCAPS), number(0))
}

// reduce removes capabilities from the bounding set.
func reduce(l *List, surplus []int) {
	drop, verify := because("cannot reduce the bounding set of capabilities"), because("cannot verify capabilities")
	for _, n := range surplus {
		l.add(drop, succeeds, unix.SYS_PRCTL, number(unix.PR_CAPBSET_DROP), number(n))
		l.add(verify, returns, unix.SYS_PRCTL, number(unix.PR_CAPBSET_READ), number(n)).result = 0
	}
}

// setCapabilities adds capset(2), and reads the sets back.
func setCapabilities(l *List, why func(error) error, sets [capabilityWords]unix.CapUserData) {
	var want []byte
	for _, s := range sets {
		for _, word := range []uint32{s.Effective, s.Permitted, s.Inheritable} {
			want = binary.NativeEndian.AppendUint32(want, word)
		}
	}
	l.add(why, succeeds, unix.SYS_CAPSET, l.capabilityHeader(), l.bytes(want))
	room := l.bytes(make([]byte, len(want)))
	l.compare(l.readCapabilities(because("cannot verify capabilities"), room), room, 0, want)
}

// Bound is namespaces.Capabilities.Bound, for a process with the rights of this one.
func (l *List) Bound(c namespaces.Capabilities) error {
	surplus, sets, err := c.Bounds()
	if err != nil {
		return err
	}
	reduce(l, surplus)
	setCapabilities(l, because("cannot give up capabilities"), sets)
	return nil
}

// Ahead reduces the bounding set before the program that gives up the rest by namespaces.Capabilities.Bound or Keep, and
// loses no capability by the execution of that program.
func Ahead(l *List, c namespaces.Capabilities) error {
	surplus, sets, err := c.Ahead()
	if err != nil {
		return err
	}
	setCapabilities(l, because("cannot make capabilities inheritable"), sets)
	reduce(l, surplus)
	return nil
}

// readCapabilities adds capget(2).
func (l *List) readCapabilities(why func(error) error, room arg) *call {
	return l.add(why, succeeds, unix.SYS_CAPGET, l.capabilityHeader(), room)
}

func (l *List) capabilityHeader() arg {
	return l.bytes(binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3), 0))
}
