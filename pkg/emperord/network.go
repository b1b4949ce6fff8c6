package emperord

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/internal/cni"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/dns"
	"github.com/emperor-go/emperor/internal/remains"
	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network"
	"github.com/emperor-go/emperor/pkg/network/spec"
	"github.com/emperor-go/emperor/pkg/wire"
)

var errNoRuntimeDir = errors.New("it needs a runtime directory of its own (runtime-dir = DIR)")

// connections is the built-in network as the emperor uses it.
type connections struct {
	stage   *network.Stage
	names   *dns.Service
	cni     *cni.Networks
	timeout time.Duration // of one change
	list    *connected
}

// connected lists the connections of vassals, for operators.
type connected struct {
	mu      sync.Mutex
	vassals map[string]control.NetworkLink
	places  map[string]emperor.Attachment // by vassal too
}

// put adds or replaces the connection of a vassal.
func (c *connected) put(l control.NetworkLink, a emperor.Attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vassals[l.Vassal], c.places[l.Vassal] = l, a
}

// of returns the place of the vassal whose network a mode is about.
func (c *connected) of(m spec.Mode) (a emperor.Attachment, index namespaces.Index) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, _ := vassalname.Resolve(m.Host(), func(name string) bool { _, there := c.vassals[name]; return there })
	return c.places[name], namespaces.Index(c.vassals[name].Index)
}

// remove removes the connection of one generation.
func (c *connected) remove(vassal string, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.vassals[vassal].Generation == generation {
		delete(c.vassals, vassal)
		delete(c.places, vassal)
	}
}

// links lists the connections by name.
func (c *connected) links() []control.NetworkLink {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.vassals), func(a, b control.NetworkLink) int { return strings.Compare(a.Vassal, b.Vassal) })
}

// listed is a connection in that list.
type listed struct {
	emperor.Connection
	list       *connected
	vassal     string
	generation uint64
}

// Hold implements emperor.Holder.
func (l *listed) Hold() error {
	if h, ok := l.Connection.(emperor.Holder); ok {
		return h.Hold()
	}
	return nil
}

// Admit implements emperor.Holder.
func (l *listed) Admit() error {
	if h, ok := l.Connection.(emperor.Holder); ok {
		return h.Admit()
	}
	return nil
}

// Close implements emperor.Connection.
func (l *listed) Close() error {
	defer l.list.remove(l.vassal, l.generation)
	return l.Connection.Close()
}

// openNetwork prepares the host for the vassals' links, and removes links of an emperor that was
// killed. Without the option there is only that to do.
func (g *gathered) openNetwork(ctx context.Context, a Additions) error {
	o := g.input.options.Network
	dir := g.sockets.networkDir()
	switch {
	case a.Network != nil:
		g.network = a.Network
		return nil
	case o.Mode.Kind == "" && dir == "":
		return nil
	case o.Mode.Kind == "":
		if err := remains.Remove(ctx, g.sockets.claim.Dir, g.input.log); err != nil {
			g.input.log.Error("cannot remove the network of a killed emperor", "error", err)
		}
		return nil
	case dir == "":
		return g.input.options.Blame("emperor-network", errNoRuntimeDir)
	}
	if err := g.examineHost(); err != nil {
		return err
	}
	c := &connections{timeout: o.Timeout, list: &connected{vassals: map[string]control.NetworkLink{}, places: map[string]emperor.Attachment{}}}
	stage, err := network.Open(network.Config{
		Dir: dir, Pool: o.Pool, Uplinks: o.Uplinks, NAT: o.NAT, CheckForwarding: o.CheckForwarding, Between: o.Between, ToHost: o.ToHost,
		Bridge: o.Bridge, MTU: o.MTU, Timeout: o.Timeout, Sweeper: g.tools.sweeper, Observe: g.measured.observe, Log: g.input.log,
		Event: func(text string) { g.events.Add(emperor.AboutNetwork, emperor.Record{}, text) },
		Admitted: func(vassal string, addresses []netip.Addr, from []netip.Prefix) {
			c.names.Admit(vassal, addresses, from)
		},
	})
	if err != nil {
		return g.input.options.Blame("emperor-network", err)
	}
	g.undo = append(g.undo, func() { closeNetwork(stage, g.input.log) })
	c.stage, g.connections = stage, c
	if err := g.openNames(); err != nil {
		return g.input.options.Blame("emperor-network-dns", err)
	}
	if err := g.openCNI(ctx); err != nil {
		return g.input.options.Blame("emperor-network-cni-conf", err)
	}
	g.network = c
	g.measured.stage.Store(stage)
	return nil
}

// examineHost returns an error if the host lacks something that all vassals need, and warns about other
// missing parts, all before the first vassal.
func (g *gathered) examineHost() error {
	o := g.input.options.Network
	own, _ := network.HostAddresses() // without them a nameserver of the host counts as one that vassals reach
	needs := network.Needs{
		Kinds: []spec.Kind{o.Mode.Kind}, Pool: o.Pool, Bridge: o.Bridge.Prefixes, BridgeName: o.Bridge.Name, Answers: dns.Answers(o.DNS, own),
		ToHost: o.ToHost.All || len(o.ToHost.Ports) > 0, Dir: g.sockets.networkDir(), Uplinks: o.Uplinks, CheckForwarding: o.CheckForwarding,
	}
	for _, m := range o.Modes {
		if !slices.Contains(needs.Kinds, m.Kind) {
			needs.Kinds = append(needs.Kinds, m.Kind)
		}
	}
	for _, lack := range network.Examine(needs) {
		if !lack.Partial && (lack.Kind == "" || lack.Kind == o.Mode.Kind) {
			return g.input.options.Blame(lack.Key, lack)
		}
		g.input.log.Warn(lack.What, "hint", lack.Hint)
	}
	return nil
}

// collectors returns the metrics that are served with the emperor's metrics: of a custom emperor, and of the
// built-in network.
func (g *gathered) collectors(a Additions) []prometheus.Collector {
	if g.input.options.Network.Mode.Kind == "" || a.Network != nil {
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

// forgotten releases the resources of the name of a vassal that is gone. When the emperor itself ends, with ctx, the
// vassal comes back with the next one.
func (g *gathered) forgotten(ctx context.Context, name string) {
	g.output.Forget(name)
	switch {
	case g.connections == nil:
	case ctx.Err() != nil:
		network.Leave(g.connections.stage, name)
	default:
		g.connections.stage.Forget(name)
	}
}

// Connect implements emperor.Network.
func (n *connections) Connect(ctx context.Context, r emperor.Request, ns netns.NsHandle, lost func(reason string)) (emperor.Connection, error) {
	wish := wishOf(r)
	by := n.link
	switch wish.Mode.Kind {
	case spec.CNI:
		by = n.attach
	case spec.Join:
		by = n.share
	}
	c, index, err := by(ctx, r, wish, ns, lost)
	if err != nil {
		return nil, err
	}
	a := c.Attachment()
	entry := control.NetworkLink{Vassal: r.Config.Name, Generation: r.Generation, Mode: a.Mode, Interface: a.HostInterface, Index: int(index)}
	for _, address := range a.Addresses {
		entry.Addresses = append(entry.Addresses, address.String())
	}
	n.list.put(entry, a)
	return &listed{c, n.list, r.Config.Name, r.Generation}, nil
}

// wishOf returns the wish of one vassal of several that reinforce each other, or of the only one.
func wishOf(r emperor.Request) spec.Wish {
	wish := r.Network
	if r.Zerg.Number > 0 { // the vassal that it reinforces has these
		wish.Publish, wish.Addresses, wish.MAC, wish.Routes = nil, nil, nil, nil
	}
	return wish
}

// Foresee implements emperor.Foreseer.
func (n *connections) Foresee(r emperor.Request) *emperor.Attachment {
	wish := wishOf(r)
	link, err := network.Foresee(n.stage, network.Request{Vassal: r.Config.Name, Generation: r.Generation, Wish: wish})
	if err != nil {
		return nil
	}
	c := connection{stage: n.stage, link: link, wish: wish, mounts: mountsOf(n.names.Mounts(r.Config.Name, wish.DNS))}
	a := c.Attachment()
	return &a
}

// link connects a vassal by a link of the emperor's. It returns the index of the link on the host.
func (n *connections) link(ctx context.Context, r emperor.Request, wish spec.Wish, ns netns.NsHandle,
	lost func(reason string),
) (emperor.Connection, namespaces.Index, error) {
	link, err := n.stage.Up(ctx, network.Request{Vassal: r.Config.Name, Generation: r.Generation, Wish: wish, Netns: ns, Lost: lost})
	if err != nil {
		return nil, 0, errors.Join(err, n.names.Disconnect(r.Config.Name))
	}
	c := &connection{stage: n.stage, names: n.names, link: link, wish: wish}
	mounts, err := n.names.Connect(r.Config.Name, wish.DNS, link.Addresses, nil)
	if err != nil {
		return nil, 0, errors.Join(err, c.Close())
	}
	c.mounts = mountsOf(mounts)
	return c, link.Index, nil
}

func mountsOf(files []dns.Mount) (mounts []wire.Mount) {
	for _, m := range files {
		mounts = append(mounts, wire.Mount(m))
	}
	return mounts
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
	return placed(c.wish, emperor.Attachment{
		Addresses: l.Addresses, Gateways: l.Gateways, Interface: l.Interface,
		HostInterface: l.HostInterface, Group: network.Auditor{Stage: c.stage}.Group(l), Mounts: c.mounts,
	})
}

// placed adds the options of a vassal to its place in the network.
func placed(w spec.Wish, a emperor.Attachment) emperor.Attachment {
	a.Mode = w.Mode.String()
	for _, p := range w.Publish {
		a.Published = append(a.Published, p.String())
	}
	for _, p := range w.Allow {
		a.Allowed = append(a.Allowed, p.String())
	}
	if w.Limit != (spec.Rate{}) {
		a.Limit = w.Limit.String()
	}
	return a
}

// Change implements emperor.Connection.
func (c *connection) Change(ctx context.Context, p emperor.Plan, ns netns.NsHandle) error {
	if err := c.stage.Change(ctx, c.link, p.Network, ns); err != nil {
		return err
	}
	c.wish.Publish, c.wish.Allow, c.wish.Limit = p.Network.Publish, p.Network.Allow, p.Network.Limit
	return nil
}

// Hold implements emperor.Holder.
func (c *connection) Hold() error { return c.stage.Clients.Hold(c.link) }

// Admit implements emperor.Holder.
func (c *connection) Admit() error { return c.stage.Clients.Admit(c.link) }

// Close implements emperor.Connection.
func (c *connection) Close() error {
	return errors.Join(c.stage.Down(c.link), c.names.Disconnect(c.link.Vassal))
}

// audited is the built-in network for questions of operators. Nil: there is none.
func (g *gathered) audited() control.Network {
	if g.connections == nil {
		return nil
	}
	return g.connections
}

// networkDir is where the network is recorded. Empty: nowhere.
func (s *sockets) networkDir() string {
	if s.claim == nil {
		return ""
	}
	return filepath.Join(s.claim.Dir, control.NetworkName)
}

// Spoofed implements control.Network.
func (n *connections) Spoofed(vassal string) *uint64 { return n.auditor().Spoofed(vassal) }

// Collect implements control.Network.
func (n *connections) Collect(ctx context.Context, vassals control.Vassals, dry bool) (control.Collected, error) {
	links, others, err := n.auditor().CollectStray(func() ([]string, error) {
		records, err := vassals(ctx)
		return namesOf(records), err
	}, dry)
	attachments, failed := n.cni.CollectStray(ctx, dry)
	return control.Collected{Links: append(links, attachments...), Others: others}, errors.Join(err, failed)
}
