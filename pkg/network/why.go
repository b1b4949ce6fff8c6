package network

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Why returns the reasons why a connected vassal may not be reached, or may not reach others, each in
// one line with the remedy. ns is its network namespace.
func (s Auditor) Why(vassal string, ns netns.NsHandle) (why []string) {
	s.mu.Lock()
	l := s.links[vassal]
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	if err := s.fault(l); err != nil {
		why = append(why, err.Error())
	} else {
		why = s.Inside(vassal, ns)
	}
	return append(why, s.faults()...)
}

// Inside returns the reason why the vassal's side of a connection does not work, in one line with the
// remedy.
func (s Auditor) Inside(vassal string, ns netns.NsHandle) []string {
	s.mu.Lock()
	l := s.links[vassal]
	s.mu.Unlock()
	if l == nil || l.Index == 0 {
		return nil
	}
	n, err := s.sockets.enter(ns)
	if err == nil {
		defer n.Close()
		err = cmp.Or(l.insideFault(n), l.addressFault(n), l.wayFault(n))
	}
	if err == nil || !s.has(l) {
		return nil
	}
	return []string{err.Error()}
}

// fault returns the first fault of the host's side of a connection. Nil: there is none.
func (s Auditor) fault(l *Link) error {
	if l.Index == 0 {
		return nil // its interface was born in the vassal's namespace
	}
	n, err := s.sockets.open()
	if err != nil {
		return err
	}
	defer n.Close()
	if err := l.hostFault(n, s.id.Group()); err != nil {
		s.watch.hint(l.Index) // changes of neighbours have no event
		return err
	}
	if facts, err := n.Link(l.Index); err == nil && facts.State != namespaces.IfOperUp {
		return &fault{
			what: fmt.Sprintf("no packets pass its link %s: its interface %s is down", l.HostInterface, l.Interface),
			hint: fmt.Sprintf("emperor enter %s -- ip link set %s up, or emperor restart %s", l.Vassal, l.Interface, l.Vassal),
		}
	}
	return l.forwardingFault()
}

// forwardingFault reports that the host does not forward packets that come by a link. A change of
// net.ipv4.ip_forward changes the setting of each link, too.
func (l *Link) forwardingFault() error {
	if l.bridge != 0 {
		return nil
	}
	for _, a := range l.Addresses {
		family, key := "ipv4", forwarding4
		if a.Is6() {
			family, key = "ipv6", forwarding6
		}
		setting := filepath.Join(family, "conf", l.HostInterface, key)
		if b, err := os.ReadFile(filepath.Join(sysctls, setting)); err == nil && strings.TrimSpace(string(b)) == "0" {
			return &fault{what: "another program has switched forwarding off for its link: it reaches no other hosts", hint: "sysctl -w " + sysctlName(setting) + "=1"}
		}
	}
	return nil
}

// serves reports whether vassals use services of the host.
func (s Auditor) serves() bool {
	return s.config.ToHost.All || len(s.config.ToHost.Ports) > 0 || s.table.answersNames()
}

// faults returns the faults of the host that concern all vassals.
func (s Auditor) faults() (list []string) {
	if !s.table.Whole() {
		list = append(list, fmt.Sprintf("the table %s of nftables is not complete: vassals are not isolated (nft monitor shows the program that "+
			"deletes it)", s.id.Table()))
	}
	if missing, err := s.changes.missing(); err == nil && len(missing) > 0 {
		for _, p := range missing {
			list = append(list, fmt.Sprintf("another program has deleted the %s (it is made again; ip monitor shows the changes)", p.name))
		}
		wakeUp(s.ups.wake)
	}
	f := forwarder{changes: s.changes, check: true, log: slog.New(slog.DiscardHandler)}
	if host, err := readHost(); err == nil {
		list = append(list, host.within(s.pool.Prefixes(), s.gateways)...)
		uplinks := host.uplinks
		if s.config.Uplinks != nil {
			uplinks = [2][]string{s.config.Uplinks, s.config.Uplinks}
		}
		f.all(s.gateways, uplinks)
	}
	for _, setting := range f.missing {
		list = append(list, fmt.Sprintf("another program has switched forwarding off: vassals reach no other hosts (sysctl -w %s)", setting))
	}
	bridge := s.config.Bridge.Name
	for _, d := range foreignDrops(bridge, s.serves()) {
		list = append(list, fmt.Sprintf("%s (%s)", d.what(), d.hint(linksOfVassals(bridge))))
	}
	return list
}
