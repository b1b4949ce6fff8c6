package network

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// uplinks are the interfaces to other hosts, and the routes of the host. They may come, go and change
// while vassals run: each uplink is prepared like the ones that are there at the start.
type uplinks struct {
	names  []string // of the options
	log    *slog.Logger
	routes *namespaces.RouteWatch
	wake   chan struct{} // the host may have changed
	ends   chan struct{}
	group  sync.WaitGroup
	// intruders: another interface has a part of the pool. Its end may have no other event than the one of
	// the interface.
	intruders atomic.Bool
}

// openUplinks watches the routes of the host. Changes from now on count after a call of follow. The
// caller closes it.
func openUplinks(names []string, log *slog.Logger) (*uplinks, error) {
	routes, err := namespaces.WatchRoutes()
	if err != nil {
		return nil, err
	}
	return &uplinks{names: names, log: log, routes: routes, wake: make(chan struct{}, 1), ends: make(chan struct{})}, nil
}

// linkChanged takes an event of an interface. One without a name: any interface may have changed.
func (u *uplinks) linkChanged(e namespaces.LinkEvent) {
	if e.Name == "" || !e.Gone && slices.Contains(u.names, e.Name) || u.intruders.Load() && (e.Gone || !e.Up) {
		wakeUp(u.wake)
	}
}

// follow calls prepare, one call at a time, when the host may have changed, and changed for each set of
// changes of routes, until close.
func (u *uplinks) follow(prepare func() error, changed func([]namespaces.RouteEvent)) {
	u.group.Go(func() { u.followRoutes(changed) })
	u.group.Go(func() {
		for {
			select {
			case <-u.wake:
				if err := prepare(); err != nil {
					u.log.Error("vassals may not reach other hosts", "error", err)
				}
			case <-u.ends:
				return
			}
		}
	})
}

func (u *uplinks) followRoutes(changed func([]namespaces.RouteEvent)) {
	for {
		events, err := u.routes.Next()
		switch {
		case errors.Is(err, namespaces.ErrEventsLost):
			events = []namespaces.RouteEvent{{}}
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			u.log.Error("uplinks that appear from now on are not used", "error", err)
			return
		}
		changed(events)
	}
}

// close ends the watch. It is called once.
func (u *uplinks) close() {
	u.routes.Close()
	close(u.ends)
	u.group.Wait()
}

// routesChanged takes hints about routes: vassals may be reached by another way, and the host by another
// uplink. New routes of emperors are no news.
func (s *Stage) routesChanged(events []namespaces.RouteEvent) {
	events = slices.DeleteFunc(events, func(e namespaces.RouteEvent) bool {
		a := e.To.Addr()
		return e.Protocol == RouteProtocol && !e.Gone || a.IsLinkLocalUnicast() || a.IsMulticast()
	})
	affects := func(p netip.Prefix) bool {
		return slices.ContainsFunc(events, func(e namespaces.RouteEvent) bool { return !e.To.IsValid() || e.To.Overlaps(p) })
	}
	affected := func(a netip.Addr) bool { return affects(netip.PrefixFrom(a, a.BitLen())) }
	if len(events) == 0 {
		return
	}
	if slices.ContainsFunc(events, func(e namespaces.RouteEvent) bool { return e.Gone && slices.Contains(s.pool.Prefixes(), e.To) }) {
		wakeUp(s.ups.wake) // the pool is not unreachable any more
	}
	foreign := func(e namespaces.RouteEvent) bool { return e.Protocol != RouteProtocol }
	if slices.ContainsFunc(events, foreign) && slices.ContainsFunc(s.pool.Prefixes(), affects) { // a default route affects all
		wakeUp(s.ups.wake)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if slices.ContainsFunc(l.Addresses, affected) || slices.ContainsFunc(l.wish.Routes, affects) {
			s.watch.hint(l.Index)
		}
	}
}

// prepareUplinks switches forwarding on for the uplinks of this moment, and guards them. It reports
// networks of other interfaces that have come into the pool, or have gone. Before that it restores the parts of the host that
// other programs have deleted.
func (s *Stage) prepareUplinks() error {
	if err := s.restoreParts(); err != nil {
		return err
	}
	host, err := readHost()
	if err != nil {
		return err
	}
	s.intrude(host)
	guarded, err := s.forward(s.uplinks(host))
	return errors.Join(err, s.table.Guard(guarded))
}

// intrude compares the networks of the host with the pool.
func (s *Stage) intrude(host hostFacts) {
	now := host.within(s.pool.Prefixes(), s.gateways)
	s.mu.Lock()
	was := s.seen.intruders
	s.seen.intruders = now
	s.mu.Unlock()
	s.ups.intruders.Store(len(now) > 0)
	for _, text := range now {
		if !slices.Contains(was, text) {
			s.config.Log.Warn(text)
			s.event(text)
		}
	}
	if len(was) > 0 && len(now) == 0 {
		s.config.Log.Info(poolAlone)
		s.event(poolAlone)
	}
}

const poolAlone = "no other network is in the pool of vassals any more"
