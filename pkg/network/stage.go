package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Config are the options of a stage.
type Config struct {
	// Dir is where leases of addresses and changes of the host are recorded. It belongs to this
	// emperor alone. Required.
	Dir string
	// Pool has the addresses of vassals, at most one prefix of each family. Nil: private
	// prefixes that the host does not use.
	Pool []netip.Prefix
	// Uplinks are the interfaces to other hosts. Nil: the ones of the default routes.
	Uplinks []string
	// NAT selects the addresses that are masqueraded.
	NAT spec.NAT
	// CheckForwarding: the stage does not change the host's forwarding, and refuses to open when
	// it is off.
	CheckForwarding bool
	// Between: vassals may reach each other. ToHost is the part of the host that they reach.
	Between bool
	ToHost  spec.Reach
	// Bridge is used by vassals of the mode bridge that name none, and made if it is not there.
	Bridge spec.SharedBridge
	// MTU of the links, in bytes. Zero: the smallest of the uplinks.
	MTU int
	// Timeout limits one Up, Change or Down. Zero: 10 s.
	Timeout time.Duration
	// Sweeper deletes links. Nil: each by itself.
	Sweeper *namespaces.Sweeper
	// Event is called for changes by other programs of the host: a policy that was deleted is set again, or
	// their networks come into the pool. It must not block. Nil: nothing is.
	Event func(text string)
	// Observe is called with the duration of each Up and Down that has succeeded. Nil: it is not called.
	Observe func(what string, took time.Duration)
	// Admitted is called before a vassal is connected, and when its clients change: its own
	// addresses, and the ones that may reach it. It must not block. Nil: nothing is.
	Admitted func(vassal string, addresses []netip.Addr, from []netip.Prefix)
	// Log is required.
	Log *slog.Logger
}

const defaultTimeout = 10 * time.Second

// workers is the number of links that are made at the same time: the kernel changes one network
// after the other.
const workers = 4

// rtnetlink changes and reads one network namespace; namespaces.Netlink implements it. Tests
// inject failures.
type rtnetlink interface {
	AddVeth(namespaces.VethPair) (namespaces.Index, error)
	AddSublink(namespaces.Sublink) error
	Apply(...namespaces.Change) error
	Link(namespaces.Index) (namespaces.LinkFacts, error)
	LinkNamed(string) (namespaces.LinkFacts, error)
	RouteTo(netip.Addr) (namespaces.Index, error)
	PermanentNeighbour(namespaces.Index, netip.Addr) (net.HardwareAddr, error)
	WatchRoutes() error
	RoutesChanged() error
	Close()
}

// errNoLink is the error of a link that does not exist.
const errNoLink = unix.ENODEV

// Stage connects vassals to the network of the host. Its methods may be called by many
// goroutines.
type Stage struct {
	// Clients are held while vassals are started again.
	Clients Clients

	id       ID
	config   Config
	pool     *Pool
	table    *Table
	deleted  *deletions // by any program
	changes  *changes
	watch    *Watcher
	ups      *uplinks
	bridge   *bridge // nil: none
	guards   guards
	ports    ports
	gateways []netip.Addr
	mtu      int
	sockets  sockets

	// reached is called before each step of an Up, if it is not nil. Tests end their process there.
	reached func()

	mu    sync.Mutex
	links map[string]*Link // by vassal
	// passing counts the vassals that are connected or disconnected now, and the host's ends of their links, by
	// name: they are not in links yet, or no more.
	passing map[string]int
	seen    observations
}

// observations are changes by other programs of the host.
type observations struct {
	// restored is how often the policy was set again.
	restored int
	// intruders are networks of other interfaces in the pool, in words.
	intruders []string
}

// sockets are the ones of rtnetlink.
type sockets struct {
	turns  chan rtnetlink // a worker takes its socket, or nil for one that is not open yet
	opener *namespaces.NetnsOpener
	// open opens a socket here, and enter one in a network namespace.
	open  func() (rtnetlink, error)
	enter func(ns netns.NsHandle) (rtnetlink, error)
	// sweep deletes links here (Config.Sweeper).
	sweep func([]namespaces.Peer) error
}

// Open removes the leftovers of an emperor that was killed, and prepares the host: gateway
// addresses, forwarding and policy. The caller closes the stage.
func Open(c Config) (_ *Stage, err error) {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep records of the network: %w", err)
	}
	s := &Stage{config: c, links: map[string]*Link{}, passing: map[string]int{}, ports: ports{held: map[portKey]*heldPort{}}}
	s.Clients = Clients{s, map[string]*held{}, map[string][]Element{}}
	s.sockets.turns = make(chan rtnetlink, workers)
	s.sockets.open = func() (rtnetlink, error) { return namespaces.OpenNetlink() }
	s.sockets.enter = func(ns netns.NsHandle) (rtnetlink, error) { return s.sockets.opener.Open(ns) }
	s.sockets.sweep = c.Sweeper.Delete
	for range workers {
		s.sockets.turns <- nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := collect(c.Dir, c.Log); err != nil {
		return nil, err
	}
	if s.id, err = LoadID(c.Dir); err != nil {
		return nil, err
	}
	if s.changes, err = loadChanges(changesFile(c.Dir)); err != nil {
		return nil, err
	}
	if err := errors.Join(s.changes.belongTo(s.id), CollectLost(c.Log)); err != nil {
		return nil, err
	}
	if s.sockets.opener, err = namespaces.NewNetnsOpener(); err != nil {
		return nil, err
	}
	return s, s.prepare()
}

// prepare sets the host up for vassals.
func (s *Stage) prepare() error {
	ups, err := openUplinks(s.config.Uplinks, s.config.Log) // before the host is read: none is missed
	if err != nil {
		return err
	}
	s.ups = ups
	host, err := readHost()
	if err != nil {
		return err
	}
	if err := s.claimPool(host); err != nil {
		return err
	}
	uplinks := s.uplinks(host)
	guarded, err := s.forward(uplinks)
	if err != nil {
		return err
	}
	if s.mtu = s.config.MTU; s.mtu == 0 {
		s.mtu = host.mtu
	}
	if err := s.openBridge(host); err != nil {
		return err
	}
	s.guards = guards{table: s.id.guardTable(), ports: map[string]guard{}}
	if s.watch, err = newWatcher(ups.linkChanged, s.config.Log); err != nil {
		return err
	}
	deleted, err := watchDeletions() // before the table is made: none is missed
	if err != nil {
		return err
	}
	if s.table, err = OpenTable(s.id, s.policy(guarded)); err != nil {
		deleted.events.Close()
		return explained("", err)
	}
	s.deleted = deleted
	ups.follow(s.prepareUplinks, s.routesChanged)
	go deleted.follow(s.repair, s.config.Log)
	return nil
}

// explained adds the remedy of a missing permission.
func explained(text string, err error) error {
	if err == nil {
		return nil
	}
	if text != "" {
		text += ": "
	}
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		hint = " (emperor-network needs CAP_NET_ADMIN: an emperor that is root, without uid)"
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT):
		hint = " (emperor-network needs a kernel with nf_tables, its NAT, fib and reject expressions, and veth links)"
	}
	return fmt.Errorf("%s%w%s", text, err, hint)
}

// policy translates the options.
func (s *Stage) policy(guarded []string) Policy {
	p := Policy{
		Group: s.id.Group(), Pool: s.Prefixes(), Bridged: s.bridge.prefixes(), Between: s.config.Between, ToHost: s.config.ToHost.All,
		HostPorts: s.config.ToHost.Ports, Guarded: guarded,
	}
	for _, prefix := range p.Pool {
		i := 0
		if prefix.Addr().Is6() {
			i = 1
		}
		p.NAT[i] = s.config.NAT.Of(prefix)
	}
	return p
}

// uplinks returns the interfaces to other hosts, by family.
func (s *Stage) uplinks(host hostFacts) [2][]string {
	if s.config.Uplinks != nil {
		return host.chosen(s.config.Uplinks)
	}
	for i, name := range []string{"IPv4", "IPv6"} {
		has := slices.ContainsFunc(s.gateways, func(a netip.Addr) bool { return a.Is6() == (i == 1) })
		if len(host.uplinks[i]) == 0 && has {
			s.config.Log.Info("the host has no default route: vassals reach no other hosts by "+name, "hint", "emperor-network-uplink = INTERFACE")
		}
	}
	return host.uplinks
}

// repair sets the policy again after another program has deleted a part of it, and counts that. One
// program often deletes all tables.
func (s *Stage) repair(gone []deletion) {
	if !s.table.concerns(gone) && !s.guards.concerns(gone) {
		return
	}
	table, err := s.table.repair()
	ports, guardsErr := s.guards.repair()
	if err = errors.Join(err, guardsErr); err != nil {
		s.config.Log.Error("vassals are not isolated: another program has deleted the network policy", "table", s.id.Table(), "error", err)
	}
	if !table && !ports {
		return
	}
	const text = "another program has deleted the network policy; it is set again"
	s.config.Log.Warn(text, "table", s.id.Table())
	s.mu.Lock()
	s.seen.restored++
	s.mu.Unlock()
	s.event(text)
}

func (s *Stage) event(text string) {
	if s.config.Event != nil {
		s.config.Event(text)
	}
}

// The words for Config.Observe.
const (
	WhatUp   = "up"
	WhatDown = "down"
)

// observe reports a success.
func (s *Stage) observe(what string, since time.Time) {
	if s.config.Observe != nil {
		s.config.Observe(what, time.Since(since))
	}
}

// Close takes everything back: links, policy, addresses and settings of the host. The leases of vassals that Leave was
// called for stay, with the records that they need. After an error all records stay for the next emperor.
func (s *Stage) Close() error {
	var failed []error
	if s.watch != nil {
		s.watch.Close()
	}
	if s.ups != nil {
		s.ups.close()
	}
	for range workers {
		if n := <-s.sockets.turns; n != nil {
			n.Close()
		}
	}
	if s.sockets.opener != nil {
		s.sockets.opener.Close()
	}
	if s.deleted != nil {
		s.deleted.close()
	}
	if s.table != nil {
		failed = append(failed, s.table.Close(), s.guards.close())
	}
	s.Clients.close()
	s.ports.mu.Lock()
	for _, h := range s.ports.held {
		h.close()
	}
	s.ports.mu.Unlock()
	if s.id != "" && s.changes != nil {
		defer s.changes.there.end()
		failed = append(failed, s.changes.keepAgain())
	}
	if s.id != "" {
		failed = append(failed, s.id.remove(s.table == nil, s.config.Dir, func(dir string) error { return removeRecords(dir, s.pools(), s.deleted != nil) }))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("cannot take back all of the network: %w", err)
	}
	return nil
}

// turn takes a socket for one piece of work. back returns it; a socket whose work has failed is
// closed, because answers may still arrive there.
func (s *sockets) turn(ctx context.Context) (n rtnetlink, back func(failed bool), err error) {
	select {
	case n = <-s.turns:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if n == nil {
		if n, err = s.open(); err != nil {
			s.turns <- nil
			return nil, nil, err
		}
	}
	return n, func(failed bool) {
		if failed {
			n.Close()
			n = nil
		}
		s.turns <- n
	}, nil
}

// AnswerNames lets vassals ask the emperor for names at the gateways.
func (s *Stage) AnswerNames() error { return s.table.AnswerNames(s.gateways) }

// Gateways returns the addresses of the host that vassals have a way to.
func (s *Stage) Gateways() []netip.Addr { return s.gateways }

// Prefixes returns the addresses of vassals.
func (s *Stage) Prefixes() []netip.Prefix {
	return append(slices.Clone(s.pool.Prefixes()), s.bridge.prefixes()...)
}

// Forget gives up the addresses of a vassal that will not come back soon.
func (s *Stage) Forget(vassal string) { giveUp(s, vassal, (*Pool).Release) }

// Leave gives up all but the addresses of a vassal: its emperor stops, and the next stage in the same directory gives it
// the same ones.
func Leave(s *Stage, vassal string) { giveUp(s, vassal, (*Pool).Keep) }

func giveUp(s *Stage, vassal string, end func(*Pool, string) error) {
	s.Clients.forget(vassal)
	for _, p := range s.pools() {
		if err := end(p, vassal); err != nil {
			s.config.Log.Warn("cannot release an address", "vassal", vassal, "error", err)
		}
	}
}
