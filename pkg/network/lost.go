package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// refusalMark is the first byte of the metrics of the routes that refuse packets to pools. Routes of other programs come first.
const refusalMark = 0xFF000000

// metric returns the metric of these routes, which names the emperor's group: a route outlives its emperor, and its records may
// be lost.
func (id ID) metric() uint32 { return refusalMark | id.Group()&^groupMask }

// presence says that an emperor with a group lives. The kernel ends it with the emperor's process.
type presence int

// beThere begins the presence. EADDRINUSE: an emperor with this group lives.
func beThere(group uint32) (presence, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	// An abstract name belongs to the network namespace, as the group does (unix(7)).
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("@emperor-network-%08x", group)}); err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return presence(fd), nil
}

// end ends it.
func (p presence) end() {
	if p >= 0 {
		_ = unix.Close(int(p))
	}
}

// belongTo marks the changes from now on with the owner, which lives until the end of its presence.
func (c *changes) belongTo(id ID) (err error) {
	c.DropIn, c.metric = id.dropIn(), id.metric()
	if c.there, err = beThere(id.Group()); errors.Is(err, unix.EADDRINUSE) { // a program has taken the name: it counts as alive
		return nil
	}
	return err
}

// lost are the pools of killed emperors, by group, that no emperor has any more.
type lost map[uint32][]netip.Prefix

// findLost finds them: by the routes that refuse packets to their pools, of emperors that do not live. The caller ends the
// presences.
func findLost() (found lost, ends []presence, err error) {
	routes, err := markedRoutes()
	if err != nil {
		return nil, nil, err
	}
	found = lost{}
	for _, r := range routes {
		metric := uint32(r.Priority)
		if r.Type != unix.RTN_UNREACHABLE || metric&groupMask != refusalMark || metric&1 != 0 {
			continue
		}
		group := groupMark | metric&^groupMask
		if found[group] == nil {
			there, err := beThere(group)
			if err != nil {
				continue // it lives
			}
			ends = append(ends, there)
		}
		found[group] = append(found[group], destination(r))
	}
	return found, ends, nil
}

// Lost names the pools of killed emperors whose records are lost with their runtime directories: it leaves out the one with
// records in dir. It changes nothing.
func Lost(dir string) (pools []string, err error) {
	recorded, err := recordedID(dir)
	if err != nil {
		return nil, err
	}
	found, ends, err := findLost()
	for _, there := range ends {
		there.end()
	}
	for group, pool := range found {
		if recorded == "" || group != recorded.Group() {
			pools = append(pools, fmt.Sprintf("the network of the pool %s", pool))
		}
	}
	slices.Sort(pools)
	return pools, err
}

// CollectLost removes their networks. Emperors that live keep theirs. Settings of the host keep their values, because the ones
// before are lost, too.
func CollectLost(log *slog.Logger) error {
	found, ends, err := findLost()
	failed := []error{err}
	for group, pool := range found {
		log.Info("removing the network of an emperor that was killed and whose runtime directory is lost", "pool", pool)
		failed = append(failed, collectLost(group, pool))
	}
	for _, there := range ends {
		there.end()
	}
	return explained("", errors.Join(failed...))
}

// collectLost removes one of them.
func collectLost(group uint32, pool []netip.Prefix) error {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	failed := []error{n.DeleteGroup(group)}
	for _, id := range idsOf(group) {
		failed = append(failed, id.removeTable())
		if file := id.dropIn(); file != "" {
			if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
				failed = append(failed, err)
			}
		}
	}
	for _, p := range pool {
		if err := n.Apply(loopback.NoAddress(gatewayOf(p))); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			failed = append(failed, err)
		}
	}
	routes, err := markedRoutes()
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	// The routes that refuse packets are the mark of all other parts, and go last.
	var ways, refusals []netlink.Route
	for _, r := range routes {
		switch {
		case !partOf(destination(r), pool):
		case r.Type == unix.RTN_UNREACHABLE:
			refusals = append(refusals, r)
		default:
			ways = append(ways, r)
		}
	}
	failed = append(failed, deleteRoutes(ways))
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return deleteRoutes(refusals)
}

// gatewayOf returns the address of the interface lo that an emperor with a pool has (Pool.Gateways).
func gatewayOf(p netip.Prefix) netip.Prefix {
	a := p.Addr().Next()
	return netip.PrefixFrom(a, a.BitLen())
}

// idsOf returns the IDs with a group that have tables of nftables. A kernel without nftables has none.
func idsOf(group uint32) (ids []ID) {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyNetdev} {
		tables, _ := c.ListTablesOfFamily(family)
		for _, t := range tables {
			digits, own := strings.CutPrefix(t.Name, tablePrefix)
			if id := ID(digits); own && id.valid() && id.Group() == group && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
