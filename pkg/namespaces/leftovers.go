package namespaces

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Remaining returns those of some interfaces of the caller's network namespace that
// are still there: with that index and that hardware address, whatever their names
// are by now. An index is not given twice unless that is asked for.
func Remaining(links []Peer) (there []Peer, err error) {
	for _, l := range links {
		link, err := netlink.LinkByIndex(l.Index)
		var missing netlink.LinkNotFoundError
		switch {
		case errors.As(err, &missing):
		case err != nil:
			return nil, fmt.Errorf("cannot look for link %q: %w", l.Name, err)
		case link.Attrs().ParentIndex != 0 && link.Attrs().HardwareAddr.String() == l.MAC:
			there = append(there, Peer{l.Index, link.Attrs().Name, l.MAC})
		}
	}
	return there, nil
}

// AwaitDoomed blocks until the interfaces are gone whose other ends are in a network
// namespace that ends just now: the kernel takes both down in its own time, and so
// long their names are taken. It begins to end when the last process and the last
// socket of it are gone, which may be some time after the death of its processes:
// until then it is known by its number (see NetworkNumber), if that is among numbers.
// When ctx ends before, the error names what is left.
func AwaitDoomed(ctx context.Context, numbers []int) error {
	news, err := subscribe()
	if err != nil {
		return fmt.Errorf("cannot wait for the end of links: %w", err)
	}
	defer news.Close()
	stop := context.AfterFunc(ctx, func() { news.Close() })
	defer stop()
	left, err := doomed(numbers)
	if err != nil {
		return err
	}
	// Those that come meanwhile are not waited for: on a busy host there are always
	// some.
	waited := map[int]bool{}
	for _, l := range left {
		waited[l.Index] = true
	}
	err = onNews(ctx, news, func() (bool, error) {
		now, err := doomed(numbers)
		left = slices.DeleteFunc(now, func(l Peer) bool { return !waited[l.Index] })
		return err == nil && len(left) == 0, err
	})
	if ctx.Err() == nil || len(left) == 0 {
		return err
	}
	list := make([]string, len(left))
	for i, l := range left {
		list[i] = l.Name
	}
	return fmt.Errorf("links of networks that end are still there: %s", strings.Join(list, ", "))
}

// doomed lists the interfaces here that have an end in a network namespace which the
// kernel takes down, and so has no number any more, or which has one of numbers.
func doomed(numbers []int) (found []Peer, err error) {
	messages, err := dumpLinks()
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	for _, m := range messages {
		attributes, err := nl.ParseRouteAttrAsMap(m[unix.SizeofIfInfomsg:])
		if err != nil {
			return nil, fmt.Errorf("cannot read a link: %w", err)
		}
		away, ok := attributes[unix.IFLA_LINK_NETNSID]
		if !ok || len(away.Value) != 4 {
			continue
		}
		if number := int(int32(binary.NativeEndian.Uint32(away.Value))); number < 0 || slices.Contains(numbers, number) {
			name := attributes[unix.IFLA_IFNAME]
			found = append(found, Peer{Index: int(nl.DeserializeIfInfomsg(m).Index), Name: unix.ByteSliceToString(name.Value)})
		}
	}
	return found, nil
}

// dumpLinks lists the interfaces of the caller's network namespace as rtnetlink(7)
// has them. A dump during which others make links may miss some: it is made again.
func dumpLinks() (messages [][]byte, err error) {
	for range dumpTries {
		dump := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		dump.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		messages, err = dump.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return messages, err
		}
	}
	return messages, nil
}

// dumpTries is how often a dump that others interrupt is made. What the last one has
// found counts.
const dumpTries = 10
