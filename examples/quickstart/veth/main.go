// Command veth replaces ip(8) in the quickstart, with pkg/namespaces:
//
//	veth free NUMBER              print two addresses that no interface here has
//	veth host LINK PEER ADDRESS   connect the vassal of $UWSGI_VASSAL_PID
//	veth inside PEER ADDRESS      finish the vassal's end, in the vassal
//	veth gone LINK                delete the link if it exists
package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "veth:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "free" && len(args) == 2:
		return printFree(args[1])
	case verb == "host" && len(args) == 4:
		return host(os.Getenv("UWSGI_VASSAL_PID"), args[1], args[2], args[3])
	case verb == "inside" && len(args) == 3:
		return inside(args[1], args[2])
	case verb == "gone" && len(args) == 2:
		return gone(args[1])
	}
	return errors.New("usage: veth free NUMBER | host LINK PEER ADDRESS | inside PEER ADDRESS | gone LINK")
}

// host makes the pair. The peer is created in the vassal's namespace, so it never has to be
// moved, and its name cannot conflict with a name here.
func host(pid, link, peer, address string) error {
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		return err
	}
	used, err := inUse()
	if err != nil {
		return err
	}
	if err := gone(link); err != nil { // of the vassal's previous life
		return err
	}
	for _, u := range used {
		if u.name != link && u.prefix.Overlaps(prefix) {
			return fmt.Errorf("%v is in use: %q has %v", prefix.Masked(), u.name, u.prefix)
		}
	}
	netns, err := os.Open("/proc/" + pid + "/ns/net")
	if err != nil {
		return fmt.Errorf("cannot find the vassal's network: %w", err)
	}
	defer netns.Close()
	pair := namespaces.Veth{Host: link, Peer: peer, Netns: netns, Alias: "emperor quickstart"}
	// The same in the vassal's next life, so that the neighbours' caches stay valid.
	pair.HostMAC, pair.PeerMAC = namespaces.DerivedMAC(link), namespaces.DerivedMAC(link, peer)
	if err := namespaces.CreateVeth(pair); err != nil {
		return err
	}
	// Before it is up: the vassal cannot add routes to this host.
	if err := namespaces.GuardLink(link); err != nil {
		return err
	}
	if err := namespaces.AddAddress(link, address); err != nil {
		return err
	}
	return namespaces.SetUp(link)
}

// inside adds the address to the vassal's end and sets the interfaces up.
func inside(peer, address string) error {
	if err := namespaces.SetUp("lo"); err != nil {
		return err
	}
	if err := namespaces.AddAddress(peer, address); err != nil {
		return err
	}
	return namespaces.SetUp(peer)
}

// gone deletes a link that may not exist.
func gone(link string) error {
	if err := namespaces.DeleteLink(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

// network is an address range of an interface of this host.
type network struct {
	name   string
	prefix netip.Prefix
}

// inUse lists them.
func inUse() ([]network, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []network
	for _, link := range links {
		addresses, err := link.Addrs()
		if err != nil {
			continue // deleted in the meantime
		}
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				list = append(list, network{link.Name, prefix})
			}
		}
	}
	return list, nil
}

func printFree(number string) error {
	start, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("cannot use %q: not a number", number)
	}
	used, err := inUse()
	if err != nil {
		return err
	}
	host, vassal, err := free(used, int(start%blocks))
	if err == nil {
		_, err = fmt.Fprintln(os.Stdout, host, vassal)
	}
	return err
}

// blocks is the number of blocks of four addresses in 198.18.0.0/24.
const blocks = 64

// free finds an unused block, which has two addresses for hosts. The search begins at number
// start. 198.18.0.0/15 is reserved for tests and never routed (RFC 2544).
func free(used []network, start int) (host, vassal netip.Addr, err error) {
	for i := range blocks {
		base := netip.AddrFrom4([4]byte{198, 18, 0, byte(4 * ((start + i) % blocks))})
		prefix := netip.PrefixFrom(base, 30)
		if !overlaps(used, prefix) {
			host = base.Next()
			return host, host.Next(), nil
		}
	}
	return host, vassal, errors.New("no free addresses in 198.18.0.0/24: interfaces of this host use all of them")
}

func overlaps(used []network, prefix netip.Prefix) bool {
	for _, u := range used {
		if u.prefix.Overlaps(prefix) {
			return true
		}
	}
	return false
}
