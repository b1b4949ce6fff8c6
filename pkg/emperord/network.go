package emperord

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/network"
	"github.com/emperor-go/emperor/pkg/network/dns"
	"github.com/emperor-go/emperor/pkg/network/spec"
	"github.com/emperor-go/emperor/pkg/wire"
)

var errNoRuntimeDir = errors.New("it needs a runtime directory of its own (runtime-dir = DIR)")

// connections is the built-in network as the emperor uses it.
type connections struct {
	stage *network.Stage
	names *dns.Service
}

// openNetwork prepares the host for the vassals' links, and removes those of an emperor that was
// killed. Without the option there is only that to do.
func (g *gathered) openNetwork(a Additions) error {
	o := g.options.Network
	dir := g.sockets.networkDir()
	switch {
	case a.Network != nil:
		g.network = a.Network
		return nil
	case o.Mode.Kind == "" && dir == "":
		return nil
	case o.Mode.Kind == "":
		if err := errors.Join(network.Collect(dir, g.log), os.RemoveAll(g.namesDir())); err != nil {
			g.log.Error("cannot remove the network of a killed emperor", "error", err)
		}
		return nil
	case dir == "":
		return g.options.Blame("emperor-network", errNoRuntimeDir)
	}
	c := network.Config{
		Dir: dir, Pool: o.Pool, Uplinks: o.Uplinks, NAT: o.NAT, CheckForwarding: o.CheckForwarding, Between: o.Between, ToHost: o.ToHost,
		Bridge: o.Bridge, MTU: o.MTU, Timeout: o.Timeout, Sweeper: g.tools.sweeper, Observe: g.measured.observe, Log: g.log,
		Restored: func() {
			g.events.Add(emperor.AboutNetwork, emperor.Record{}, "another program has deleted the network policy; it is set again")
		},
		Admitted: func(vassal string, addresses []netip.Addr, from []netip.Prefix) {
			g.names.Admit(vassal, addresses, from)
		},
	}
	stage, err := network.Open(c)
	if err != nil {
		return g.options.Blame("emperor-network", err)
	}
	g.undo = append(g.undo, func() { closeNetwork(stage, g.log) })
	if err := g.openNames(stage); err != nil {
		return g.options.Blame("emperor-network-dns", err)
	}
	g.stage, g.network = stage, connections{stage, g.names}
	g.measured.stage.Store(stage)
	return nil
}

// collectors returns what is served with the emperor's metrics: of a custom emperor, and of the
// built-in network.
func (g *gathered) collectors(a Additions) []prometheus.Collector {
	if g.options.Network.Mode.Kind == "" || a.Network != nil {
		return a.Collectors
	}
	g.measured = newNetworkMetrics()
	return append(slices.Clone(a.Collectors), g.measured)
}

func closeNetwork(stage *network.Stage, log *slog.Logger) {
	if err := stage.Close(); err != nil {
		log.Error("the next emperor removes the rest", "error", err)
	}
}

// forgotten releases what belongs to the name of a vassal that is gone.
func (g *gathered) forgotten(name string) {
	g.output.Forget(name)
	if g.stage != nil {
		g.stage.Forget(name)
	}
}

// Connect implements emperor.Network.
func (n connections) Connect(ctx context.Context, r emperor.Request, netns *os.File, lost func(reason string)) (emperor.Connection, error) {
	wish := r.Network
	if r.Zerg > 0 { // the vassal that it reinforces has these
		wish.Publish, wish.Addresses, wish.MAC, wish.Routes = nil, nil, nil, nil
	}
	link, err := n.stage.Up(ctx, network.Request{Vassal: r.Config.Name, Generation: r.Generation, Wish: wish, Netns: netns, Lost: lost})
	if err != nil {
		return nil, errors.Join(err, n.names.Disconnect(r.Config.Name))
	}
	c := &connection{stage: n.stage, names: n.names, link: link, wish: wish}
	mounts, err := n.names.Connect(r.Config.Name, wish.DNS, link.Addresses, nil)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for _, m := range mounts {
		c.mounts = append(c.mounts, wire.Mount(m))
	}
	return c, nil
}

// connection is the link of one generation.
type connection struct {
	stage  *network.Stage
	names  *dns.Service
	mounts []wire.Mount
	link   *network.Link
	wish   spec.Wish
}

// Attachment implements emperor.Connection.
func (c *connection) Attachment() emperor.Attachment {
	l := c.link
	a := emperor.Attachment{Mode: c.wish.Mode.String(), Addresses: l.Addresses, Gateways: l.Gateways, Interface: l.Interface, HostInterface: l.HostInterface, Mounts: c.mounts}
	for _, p := range c.wish.Publish {
		a.Published = append(a.Published, p.String())
	}
	for _, p := range c.wish.Allow {
		a.Allowed = append(a.Allowed, p.String())
	}
	if c.wish.Limit != (spec.Rate{}) {
		a.Limit = c.wish.Limit.String()
	}
	return a
}

// Change implements emperor.Connection.
func (c *connection) Change(ctx context.Context, p emperor.Plan, netns *os.File) error {
	if err := c.stage.Change(ctx, c.link, p.Network, netns); err != nil {
		return err
	}
	c.wish.Publish, c.wish.Allow, c.wish.Limit = p.Network.Publish, p.Network.Allow, p.Network.Limit
	return nil
}

// Close implements emperor.Connection.
func (c *connection) Close() error {
	return errors.Join(c.stage.Down(c.link), c.names.Disconnect(c.link.Vassal))
}

// audited is the built-in network for questions of operators. Nil: there is none.
func (g *gathered) audited() control.Network {
	if g.stage == nil {
		return nil
	}
	return connections{g.stage, g.names}
}

// networkDir is where the network is recorded. Empty: nowhere.
func (s *sockets) networkDir() string {
	if s.claim == nil {
		return ""
	}
	return filepath.Join(s.claim.Dir, control.NetworkName)
}

// Report implements control.Network.
func (n connections) Report() (control.NetworkReport, error) {
	r, err := n.stage.Audit()
	if err != nil {
		return control.NetworkReport{}, err
	}
	report := control.NetworkReport{ID: r.ID, Table: r.Table, Problems: r.Problems, Links: []control.NetworkLink{}}
	for _, p := range r.Pool {
		report.Pool = append(report.Pool, p.String())
	}
	for _, l := range r.Links {
		link := control.NetworkLink{Vassal: l.Vassal, Generation: l.Generation, Interface: l.HostInterface, Index: int(l.Index)}
		for _, a := range l.Addresses {
			link.Addresses = append(link.Addresses, a.String())
		}
		report.Links = append(report.Links, link)
	}
	return report, nil
}

// Spoofed implements control.Network.
func (n connections) Spoofed(vassal string) uint64 { return n.stage.Spoofed(vassal) }

// Collect implements control.Network.
func (n connections) Collect(dry bool) ([]string, error) { return n.stage.CollectStray(dry) }
