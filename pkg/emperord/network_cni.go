package emperord

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/internal/cni"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network"
	"github.com/emperor-go/emperor/pkg/network/spec"
	"github.com/emperor-go/emperor/pkg/wire"
)

// cniDir is where attachments to networks of other software are recorded. Unlike the network's
// directory it outlives an emperor that could not remove one.
func (g *gathered) cniDir() string { return filepath.Join(g.sockets.claim.Dir, control.CNIName) }

// openCNI removes the attachments of an emperor that was killed, and prepares for others.
func (g *gathered) openCNI(ctx context.Context) error {
	o := g.input.options.Network
	networks, err := cni.Open(ctx, cni.Config{ConfDirs: o.CNIConf, PluginDirs: o.CNIPlugins, Dir: g.cniDir(), Log: g.input.log})
	if err != nil {
		return err
	}
	g.connections.cni = networks
	g.undo = append(g.undo, func() {
		if err := networks.Close(); err != nil {
			g.input.log.Error("cannot remove the record of CNI networks", "error", err)
		}
	})
	return nil
}

// plugged is the connection of one generation by plugins.
type plugged struct {
	*connections
	attachment *cni.Attachment
	wish       spec.Wish
	mounts     []wire.Mount
	vassal     string
	unwatch    func()
}

// attach connects a vassal by the plugins of a CNI network. It returns the index of the other end on the
// host; zero: there is none.
func (n *connections) attach(ctx context.Context, r emperor.Request, wish spec.Wish, ns netns.NsHandle,
	lost func(reason string),
) (_ emperor.Connection, index namespaces.Index, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, n.timeout, errPlugins)
	defer cancel()
	name := r.Config.Name
	if err := network.PluggedInto(n.stage).Reserve(ctx, name, wish.Publish, ns); err != nil {
		return nil, 0, err
	}
	inside := wish.Interface
	if inside == "" {
		inside = spec.DefaultInterface
	}
	a, err := n.cni.Add(ctx, cni.Request{
		Network: wish.Mode.Of, Emperor: string(network.PluggedInto(n.stage).ID()), Vassal: name, Generation: r.Generation, Interface: inside,
		Netns: ns, Capabilities: capabilities(wish),
	})
	if err != nil {
		network.PluggedInto(n.stage).Release(name)
		return nil, 0, err
	}
	c := &plugged{connections: n, attachment: a, wish: wish, vassal: name, unwatch: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	mounts, err := n.names.Connect(name, wish.DNS, a.Addresses, a.Servers)
	if err != nil {
		return nil, 0, err
	}
	c.mounts = mountsOf(mounts)
	index, c.unwatch, err = network.PluggedInto(n.stage).Watch(a.HostInterface, lost)
	return c, index, err
}

var errPlugins = errors.New("its plugins take too long (emperor-network-timeout)")

// capabilities returns the values for the plugins of a vassal.
func capabilities(w spec.Wish) map[string]any {
	values := map[string]any{}
	var ports []cni.PortMapping
	for _, p := range w.Publish {
		host := ""
		if p.Address.IsValid() {
			host = p.Address.String()
		}
		for i := range p.Last - p.First + 1 {
			ports = append(ports, cni.PortMapping{HostPort: p.First + i, ContainerPort: p.To + i, Protocol: string(p.Protocol), HostIP: host})
		}
	}
	if ports != nil {
		values[cni.PortMappings] = ports
	}
	if w.Limit != (spec.Rate{}) {
		values[cni.Bandwidth] = cni.Rate{IngressRate: w.Limit.Down, IngressBurst: burst(w.Limit.Down), EgressRate: w.Limit.Up, EgressBurst: burst(w.Limit.Up)}
	}
	if w.MAC != nil {
		values[cni.MAC] = w.MAC.String()
	}
	var addresses []string
	for _, a := range w.Addresses {
		addresses = append(addresses, a.String())
	}
	if addresses != nil {
		values[cni.IPs] = addresses
	}
	return values
}

// burst is the amount in bits that may pass at once at a rate: the tenth part of a second.
func burst(rate uint64) uint64 { return min(rate/10, 1<<31-1) }

// Attachment implements emperor.Connection.
func (c *plugged) Attachment() emperor.Attachment {
	a := c.attachment
	return placed(c.wish, emperor.Attachment{
		Addresses: a.Addresses, Gateways: a.Gateways, Interface: a.Interface(),
		HostInterface: a.HostInterface, Mounts: c.mounts,
	})
}

// Change implements emperor.Connection.
func (c *plugged) Change(_ context.Context, p emperor.Plan, _ netns.NsHandle) error {
	if n := p.Network; slices.Equal(n.Publish, c.wish.Publish) && n.Limit == c.wish.Limit {
		return nil
	}
	return errors.New("CNI plugins know no changes (emperor restart)")
}

// Close implements emperor.Connection.
func (c *plugged) Close() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.timeout, errPlugins)
	defer cancel()
	c.unwatch()
	err := c.attachment.Del(ctx)
	network.PluggedInto(c.stage).Release(c.vassal)
	return errors.Join(err, c.names.Disconnect(c.vassal))
}
