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

// Remaining returns the links of a list that still exist in the caller's network namespace: it
// compares the index and the hardware address, not the name. The kernel does not reuse an
// index unless a request asks for it.
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

// AwaitDoomed blocks until the links to a dying network namespace are gone. The kernel removes
// both ends of such a link some time later, and their names are in use until then. A network
// namespace begins to die when its last process and its last socket are gone, which may be
// some time after the death of its processes. Until then it is recognized by its number (see
// NetworkNumber), if numbers contains it. When ctx ends first, the error names the remaining
// links.
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
	// It ignores links that become doomed during the wait: on a busy host there are always
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
	return fmt.Errorf("links of dying network namespaces still exist: %s", strings.Join(list, ", "))
}

// doomed lists the links to network namespaces that the kernel is removing and that therefore
// have no number any more, or that have one of numbers.
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

// dumpLinks lists the links of the caller's network namespace in the form of rtnetlink(7). It
// repeats a dump that was interrupted, because links that other processes make during a dump
// may be missing from it.
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

// dumpTries limits the repetitions of an interrupted dump. The result of the last one is used.
const dumpTries = 10
