package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// fault is a reason why packets do not pass a connection, and the remedy.
type fault struct {
	what, hint string
	cause      error
	mendable   bool // the stage may take the change back
}

func (f *fault) Error() string { return f.what + " (" + f.hint + ")" }

// Unwrap returns the kernel's error, or nil.
func (f *fault) Unwrap() error { return f.cause }

// unmanaged is the remedy for programs that configure links of others.
const unmanaged = "NetworkManager: unmanaged-devices=interface-name:evs*; systemd-networkd: Unmanaged=yes for evs*"

// hostFault compares the host's side of a connection with its creation: another program of the host
// may configure each link and route. It returns a *fault, or an error of the comparison.
func (l *Link) hostFault(n rtnetlink, group uint32) error {
	link, restart := "its link "+l.HostInterface, "emperor restart "+l.Vassal
	facts, err := n.Link(l.Index)
	switch {
	case errors.Is(err, errNoLink):
		return &fault{what: "another program has deleted " + link, hint: restart + ", or network-lost = restart", cause: err}
	case err != nil:
		return err
	case facts.Group != group:
		return &fault{
			what: "another program has changed the group of " + link + ": the policy does not know it",
			hint: fmt.Sprintf("ip link set %s group %d", facts.Name, group),
		}
	case facts.Master != l.bridge && l.bridge != 0:
		return &fault{what: "another program has taken " + link + " out of the bridge", hint: restart}
	case facts.Master != l.bridge:
		return &fault{what: "another program has put " + link + " into a bridge or bond", hint: "ip link set " + facts.Name + " nomaster; " + unmanaged}
	case !facts.Up:
		return &fault{what: "another program has set " + link + " down", hint: "ip link set " + facts.Name + " up; " + unmanaged}
	case !slices.Equal(facts.MAC, l.hostMAC):
		return &fault{
			what: "another program has changed the hardware address of " + link, hint: fmt.Sprintf("ip link set %s address %s; %s", facts.Name, l.hostMAC, unmanaged),
			mendable: true,
		}
	}
	if err := l.routesFault(n); err != nil {
		return err
	}
	return l.neighbourFault(n)
}

// routesFault reports that packets to the vassal do not leave by its link.
func (l *Link) routesFault(n rtnetlink) error {
	if l.bridge != 0 {
		return nil // the routes are the bridge's
	}
	for _, a := range l.Addresses {
		via, err := routeTo(n, a)
		if err != nil {
			return err
		}
		if via != l.Index {
			return l.routeFault(a, via)
		}
	}
	return nil
}

// neighbourFault reports that packets to the vassal leave for another hardware address. Kernels before 5.0 do not tell.
func (l *Link) neighbourFault(n rtnetlink) error {
	behind, known := l.neighbours()
	for _, a := range known {
		mac, err := n.PermanentNeighbour(behind, a)
		switch {
		case errors.Is(err, unix.EOPNOTSUPP):
			return nil
		case err != nil:
			return err
		case !slices.Equal(mac, l.peerMAC):
			return &fault{
				what: fmt.Sprintf("another program has changed or deleted the permanent neighbour %s of its link", a),
				hint: "it is made again; ip monitor neigh shows the changes", mendable: true,
			}
		}
	}
	return nil
}

// routeFault explains why packets to an address do not leave by the link.
func (l *Link) routeFault(a netip.Addr, via namespaces.Index) error {
	foreign, err := foreignRoute(l.prefixes())
	switch {
	case foreign != nil || err != nil:
		return errors.Join(foreign, err)
	case via == 0:
		return &fault{what: fmt.Sprintf("another program has deleted the route to %s", a), hint: "emperor restart " + l.Vassal, mendable: true}
	}
	return &fault{
		what: fmt.Sprintf("packets to %s leave by another interface: %s", a, nameOf(via)),
		hint: "ip rule and ip route get show the reason; emperor-network-pool = another prefix, or " + unmanaged, mendable: true,
	}
}

// prefixes are the destinations that lead to the vassal.
func (l *Link) prefixes() []netip.Prefix {
	list := slices.Clone(l.wish.Routes)
	for _, a := range l.Addresses {
		list = append(list, netip.PrefixFrom(a, a.BitLen()))
	}
	return list
}

// insideFault compares the vassal's side with its creation: a program with CAP_NET_ADMIN may change it.
func (l *Link) insideFault(n rtnetlink) error {
	facts, err := n.Link(l.inside)
	switch {
	case errors.Is(err, errNoLink):
		return &fault{what: "a program of the vassal has deleted its interface " + l.Interface, hint: "emperor restart " + l.Vassal, cause: err}
	case err != nil:
		return err
	case !facts.Up:
		return &fault{what: "a program of the vassal has set its interface " + facts.Name + " down", hint: l.remedy("ip link set " + facts.Name + " up")}
	case !slices.Equal(facts.MAC, l.peerMAC):
		return &fault{
			what: "a program of the vassal has changed the hardware address of its interface " + facts.Name,
			hint: "emperor restart " + l.Vassal, // the kernel has deleted the neighbours with it
		}
	}
	return nil
}

// remedy is for a change of the vassal's side.
func (l *Link) remedy(command string) string {
	return fmt.Sprintf("emperor enter %s -- %s, or emperor restart %[1]s", l.Vassal, command)
}

// addressFault reports an address that is missing inside.
func (l *Link) addressFault(n rtnetlink) error {
	missing, err := l.absent(n)
	if err != nil || !missing.IsValid() {
		return err
	}
	return &fault{what: fmt.Sprintf("a program of the vassal has removed its address %s", missing), hint: "emperor restart " + l.Vassal}
}

// absent returns the first address whose packets do not stay inside. Invalid: there is none.
func (l *Link) absent(n rtnetlink) (netip.Addr, error) {
	for _, a := range l.Addresses {
		if via, err := routeTo(n, a); err != nil || via != loopback {
			return a, err
		}
	}
	return netip.Addr{}, nil
}

// wayFault reports that packets of the vassal do not go to the host.
func (l *Link) wayFault(n rtnetlink) error {
	if l.bridge != 0 {
		return nil
	}
	for _, gateway := range l.Gateways {
		via, err := routeTo(n, gateway)
		if err != nil {
			return err
		}
		if via != l.inside {
			return &fault{what: fmt.Sprintf("packets of the vassal to %s do not leave by its interface %s: a program of it has changed its routes",
				gateway, l.Interface), hint: l.remedy("ip route")}
		}
		mac, err := n.PermanentNeighbour(l.inside, gateway)
		if errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return err
		}
		// The host answers questions for its address on lo in IPv4 only.
		if !slices.Equal(mac, l.hostMAC) && (mac != nil || gateway.Is6()) {
			return &fault{what: fmt.Sprintf("a program of the vassal has changed or deleted the permanent neighbour %s", gateway), hint: l.remedy(
				fmt.Sprintf("ip neighbour replace %s lladdr %s nud permanent dev %s", gateway, l.hostMAC, l.Interface))}
		}
	}
	return nil
}

// routeTo returns the interface to an address. Zero: there is no route, or one that refuses.
func routeTo(n rtnetlink, a netip.Addr) (via namespaces.Index, err error) {
	via, err = n.RouteTo(a)
	if err != nil && slices.ContainsFunc(noRoutes, func(no error) bool { return errors.Is(err, no) }) {
		return 0, nil
	}
	return via, err
}

// noRoutes are the answers of a kernel that has no route, or a route that refuses.
var noRoutes = []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL}

// examiner returns a function that reads the state of a connection, and takes changes of its hardware address,
// neighbours and routes by other programs back. A route of another program that leads to the vassal's address
// stays: it is the host's.
func (s *Stage) examiner(l *Link) func() condition {
	var mended time.Time
	return func() (c condition) {
		n, err := s.sockets.open()
		if err != nil {
			return condition{reason: err.Error()}
		}
		defer n.Close()
		err = l.hostFault(n, s.id.Group())
		var f *fault
		if errors.As(err, &f) && f.mendable {
			if pause := mendPause - time.Since(mended); pause > 0 {
				time.AfterFunc(pause, func() { s.watch.hint(l.Index) })
			} else if mended = time.Now(); n.Apply(l.mended()...) == nil {
				err = l.hostFault(n, s.id.Group())
				c.repaired = err == nil
			}
		}
		if err != nil {
			c.reason = err.Error()
		}
		c.final = errors.Is(err, errNoLink)
		return c
	}
}

// mendPause is the shortest time between two repairs of one link: programs that undo each other's
// changes do not take all time.
const mendPause = time.Second
