package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// guards are the settings of an interface whose other end belongs to a tenant, in
// /proc/sys/net/FAMILY/conf/INTERFACE. A setting is changed only when it has the default value
// of new interfaces: any other value was chosen for this interface.
var guards = []struct{ family, key, safe string }{
	// First: the tenant cannot add routes to this host from now on.
	{"ipv6", "accept_ra", "0"},
	{"ipv6", "accept_redirects", "0"},
	{"ipv4", "accept_redirects", "0"},
	{"ipv4", "accept_source_route", "0"},
	{"ipv4", "send_redirects", "0"},
	{"ipv4", "rp_filter", "1"},
}

// GuardLink protects this host from the other end of an interface of the caller's network
// namespace: the other end can neither add routes here nor send from addresses that belong to
// other interfaces. It keeps settings that differ from the default of new interfaces. It
// removes routes and addresses that were advertised earlier, so it is best called before the
// interface is up. A missing interface is no error, nor is a protocol that the kernel does not
// have.
func GuardLink(name string) error {
	var failed []error
	for _, g := range guards {
		changed, err := guard(g.family, name, g.key, g.safe)
		if err == nil && changed && g.key == "accept_ra" {
			err = forgetAdvertised(name)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("cannot guard link %q: %w", name, err)
	}
	return nil
}

// guard changes one setting of an interface.
func guard(family, link, key, safe string) (changed bool, err error) {
	of := func(name string) string { return "/proc/sys/net/" + family + "/conf/" + name + "/" + key }
	now, err := readValue(of(link))
	if errors.Is(err, os.ErrNotExist) || err == nil && now == safe {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	usual, err := readValue(of("default"))
	if err != nil || now != usual {
		return false, err
	}
	err = os.WriteFile(of(link), []byte(safe), 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	return err == nil, err
}

func readValue(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

// forgetAdvertised removes the routes and addresses that router advertisements have added for
// an interface. An advertisement may arrive after the interface was set up and before it was
// guarded.
func forgetAdvertised(name string) error {
	link, err := find(name)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		return nil // it has never received an advertisement
	}
	addresses, err := netlink.AddrList(link, unix.AF_INET6)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if a.Flags&unix.IFA_F_PERMANENT == 0 && a.Flags&unix.IFA_F_MANAGETEMPADDR != 0 { // made from a prefix (addrconf.c)
			if err := netlink.AddrDel(link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return err
			}
		}
	}
	return forgetRoutes(link.Attrs().Index)
}

// forgetRoutes removes the advertised routes through an interface.
func forgetRoutes(index int) error {
	dump := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	dump.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6}})
	routes, err := dump.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil {
		return err
	}
	var remove []*nl.NetlinkRequest
	for _, m := range routes {
		if advertised(m, index) {
			request := nl.NewNetlinkRequest(unix.RTM_DELROUTE, 0)
			request.AddRawData(m) // the message describes the route to remove
			remove = append(remove, request)
		}
	}
	if len(remove) == 0 {
		return nil
	}
	r, err := openRtnl()
	if err != nil {
		return err
	}
	defer r.close()
	answers, err := r.do(remove)
	for _, a := range answers {
		if a != nil && !errors.Is(a, unix.ESRCH) {
			err = errors.Join(err, a)
		}
	}
	return err
}

// advertised reports whether a route of rtnetlink(7) leads through the interface with that
// index and was advertised: it has the protocol of advertisements, or it is the kernel's own
// and expires.
func advertised(route []byte, index int) bool {
	about := nl.DeserializeRtMsg(route)
	attributes, err := nl.ParseRouteAttrAsMap(route[about.Len():])
	if err != nil {
		return false
	}
	number := func(attribute uint16, at int) uint32 {
		if v := attributes[attribute].Value; len(v) >= at+4 {
			return binary.NativeEndian.Uint32(v[at:])
		}
		return 0
	}
	const expires = 8 // in struct rta_cacheinfo
	return number(unix.RTA_OIF, 0) == uint32(index) &&
		(about.Protocol == unix.RTPROT_RA || about.Protocol == unix.RTPROT_KERNEL && number(unix.RTA_CACHEINFO, expires) != 0)
}

// ExposedMaster returns the bridge or bond in which an interface of the caller's network namespace is a port,
// if that accepts router advertisements. They arrive there, and GuardLink does not change it, because it may
// have other ports. Empty: there is none.
func ExposedMaster(name string) (string, error) {
	master, err := masterOf(name)
	if errors.Is(err, unix.ENODEV) || err == nil && master == "" {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the bridge of link %q: %w", name, err)
	}
	accepts, err := acceptsAdvertisements(master)
	if err != nil || !accepts {
		return "", err
	}
	return master, nil
}

// masterOf returns the interface that receives for a port. Empty: the port itself does.
func masterOf(name string) (string, error) {
	link, err := find(name)
	if err != nil || link.Attrs().MasterIndex == 0 {
		return "", err
	}
	master, err := netlink.LinkByIndex(link.Attrs().MasterIndex)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return "", nil
	}
	if err != nil || master.Type() == "vrf" { // ports of a VRF receive themselves
		return "", err
	}
	return master.Attrs().Name, nil
}

// acceptsAdvertisements reports whether an interface accepts router advertisements, as the
// kernel decides it (net/ipv6/addrconf.c, ipv6_accept_ra).
func acceptsAdvertisements(name string) (bool, error) {
	values := map[string]string{}
	for _, key := range []string{"accept_ra", "forwarding", "disable_ipv6"} {
		value, err := readValue("/proc/sys/net/ipv6/conf/" + name + "/" + key)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil // without IPv6, or the interface is gone
		}
		if err != nil {
			return false, err
		}
		values[key] = value
	}
	return values["disable_ipv6"] == "0" && (values["accept_ra"] == "2" || values["accept_ra"] == "1" && values["forwarding"] == "0"), nil
}
