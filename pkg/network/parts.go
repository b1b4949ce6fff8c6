package network

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// part is a part of the host's network that all vassals use: a gateway's address, or the route that refuses packets to the
// pool.
type part struct {
	name  string
	again namespaces.Change
}

// missing lists the parts that other programs have deleted.
func (c *changes) missing() (list []part, err error) {
	own, err := addressesOf(loopback)
	if err != nil {
		return nil, err
	}
	for _, p := range c.Addresses {
		if !slices.Contains(own, p) {
			list = append(list, part{"gateway's address " + p.Addr().String() + " of the interface lo", loopback.NewAddress(p)})
		}
	}
	routes, err := markedRoutes()
	if err != nil {
		return nil, err
	}
	for _, p := range c.Refused {
		there := false
		for _, r := range routes {
			there = there || r.Type == unix.RTN_UNREACHABLE && destination(r) == p
		}
		if !there {
			list = append(list, part{"unreachable route to the pool " + p.String(), c.unreachable(p).AddNew()})
		}
	}
	return list, nil
}

// restoreParts makes these parts again, and has the links examined: the kernel deletes the routes whose source is a deleted
// address.
func (s *Stage) restoreParts() error {
	missing, err := s.changes.missing()
	if err != nil || len(missing) == 0 {
		return err
	}
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	for _, p := range missing {
		if err := n.Apply(p.again); err != nil && !errors.Is(err, unix.EEXIST) {
			return explained("cannot restore the "+p.name, err)
		}
		text := fmt.Sprintf("another program has deleted the %s; it is made again", p.name)
		s.config.Log.Warn(text)
		s.event(text)
	}
	for _, l := range s.connections() {
		if l.Index != 0 {
			s.watch.hint(l.Index)
		}
	}
	return nil
}
