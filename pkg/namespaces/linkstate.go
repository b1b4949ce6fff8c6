package namespaces

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// LinkState is the state of an interface that a wait is for. Each state includes the ones
// before it.
type LinkState int

const (
	// LinkThere means that the interface exists. The loopback interface always exists, and
	// must be up.
	LinkThere LinkState = iota
	// LinkUp means that the interface is up and has a carrier (IFF_UP and IFF_LOWER_UP,
	// netdevice(7)).
	LinkUp
	// LinkAddress means that the interface has a usable address that is not link-local:
	// duplicate address detection is complete (rtnetlink(7), IFA_F_TENTATIVE).
	LinkAddress
)

var linkStates = []string{LinkThere: "", LinkUp: "up", LinkAddress: "address"}

// LinkWait is an interface to wait for.
type LinkWait struct {
	// Name is its name or one of its alternative names (ip-link(8), altname).
	Name  string
	State LinkState
}

// maxAltName is the length of the longest alternative name (ALTIFNAMSIZ - 1).
const maxAltName = 127

// ParseLinkWait parses eth0, eth0:up or eth0:address.
func ParseLinkWait(text string) (w LinkWait, err error) {
	name, state, ok := strings.Cut(text, ":") // no name contains a colon (dev_valid_name)
	i := slices.Index(linkStates, state)
	if i < 0 || ok && i == 0 {
		return w, fmt.Errorf("%q is not a state of an interface", state)
	}
	if name == "" || len(name) > maxAltName || strings.ContainsAny(name, "/ \t\n") {
		return w, fmt.Errorf("%q cannot be an interface", name)
	}
	return LinkWait{name, LinkState(i)}, nil
}

// String prints the syntax of ParseLinkWait.
func (w LinkWait) String() string {
	if w.State == LinkThere {
		return w.Name
	}
	return w.Name + ":" + linkStates[w.State]
}

// seenLink is an interface in a dump of rtnetlink(7).
type seenLink struct {
	index    int32
	names    []string // the first is its own name
	up       bool
	carrier  bool
	loopback bool
	address  bool // it has a usable address
}

// meets reports whether the interface is in the state that w waits for.
func (l *seenLink) meets(w LinkWait) bool {
	if !slices.Contains(l.names, w.Name) {
		return false
	}
	switch w.State {
	case LinkUp:
		return l.up && l.carrier
	case LinkAddress:
		return l.up && l.carrier && l.address
	default:
		return l.up || !l.loopback
	}
}

// String prints like `eth0 (down)`.
func (l *seenLink) String() string {
	state := ""
	switch {
	case !l.up:
		state = " (down)"
	case !l.carrier:
		state = " (no carrier)"
	case !l.address:
		state = " (no address)"
	}
	return l.names[0] + state
}

// seeLinks dumps the interfaces in the network namespace of the calling thread, and whether
// they have usable addresses.
func seeLinks() (links []*seenLink, err error) {
	err = dump(unix.RTM_GETLINK, func(m syscall.NetlinkMessage) error {
		if l := parseLink(m); l != nil {
			links = append(links, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	err = dump(unix.RTM_GETADDR, func(m syscall.NetlinkMessage) error {
		at, usable := parseAddress(m)
		for _, l := range links {
			if usable && uint32(l.index) == at {
				l.address = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	return links, nil
}

// dump calls each for every message of the kernel's answer.
func dump(request int, each func(syscall.NetlinkMessage) error) error {
	answer, err := syscall.NetlinkRIB(request, syscall.AF_UNSPEC)
	if err != nil {
		return os.NewSyscallError("netlinkrib", err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return os.NewSyscallError("parsenetlinkmessage", err)
	}
	for _, m := range messages {
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

// parseLink parses struct ifinfomsg and the names after it. It returns nil for any other
// message.
func parseLink(m syscall.NetlinkMessage) *seenLink {
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return nil
	}
	flags := binary.NativeEndian.Uint32(m.Data[8:])
	l := &seenLink{
		index: int32(binary.NativeEndian.Uint32(m.Data[4:])),
		up:    flags&unix.IFF_UP != 0, carrier: flags&unix.IFF_LOWER_UP != 0, loopback: flags&unix.IFF_LOOPBACK != 0,
		names: []string{""},
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return nil
	}
	for _, a := range attributes {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_IFNAME:
			l.names[0] = unix.ByteSliceToString(a.Value)
		case unix.IFLA_PROP_LIST:
			l.names = append(l.names, altNames(a.Value)...)
		}
	}
	return l
}

// altNames parses the alternative names in an attribute of IFLA_PROP_LIST.
func altNames(list []byte) (names []string) {
	for _, a := range attributesOf(list) {
		if a.kind == unix.IFLA_ALT_IFNAME {
			names = append(names, unix.ByteSliceToString(a.value))
		}
	}
	return names
}

// parseAddress parses struct ifaddrmsg and the flags after it.
func parseAddress(m syscall.NetlinkMessage) (index uint32, usable bool) {
	if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
		return 0, false
	}
	flags, scope := uint32(m.Data[2]), m.Data[3]
	if attributes, err := syscall.ParseNetlinkRouteAttr(&m); err == nil {
		for _, a := range attributes {
			if a.Attr.Type == unix.IFA_FLAGS && len(a.Value) >= 4 { // all 32 flags
				flags = binary.NativeEndian.Uint32(a.Value)
			}
		}
	}
	const busy = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
	pending := flags&busy != 0 && flags&unix.IFA_F_OPTIMISTIC == 0
	return binary.NativeEndian.Uint32(m.Data[4:]), !pending && scope != unix.RT_SCOPE_LINK
}
