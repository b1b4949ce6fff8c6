package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// connect connects a parked child.
func (l *Launcher) connect(ctx context.Context, c *child, r emperor.Request) error {
	if l.Network == nil || !r.Network.Connects() {
		return nil
	}
	ns, err := c.resources.process.OpenNetwork()
	if err != nil {
		return fmt.Errorf("cannot connect it to the network: %w", err)
	}
	defer ns.Close()
	lost := r.Disconnected
	if lost == nil {
		lost = func(string) {}
	}
	connection, err := l.Network.Connect(ctx, r, ns, lost)
	if err != nil {
		return err
	}
	c.connection = connection
	c.note()
	c.resources.connected = c.Attachment().HostInterface
	return nil
}

// guestOf returns the thread in the namespaces that a vassal is to have instead of its own.
func guestOf(ctx context.Context, l *Launcher, r emperor.Request) (g guest, err error) {
	if r.Guest.Joins != "" {
		return joining(ctx, l, r)
	}
	g.joined = namespaces.NewNet
	g.spawner, err = l.spawnerBeside(r)
	return g, err
}

// spawnerBeside returns a Spawner in the network that a vassal is to have instead of one of its own: of another vassal, or one with a
// name.
func (l *Launcher) spawnerBeside(r emperor.Request) (*namespaces.Spawner, error) {
	if r.Guest.NetNS != "" {
		return spawnerIn(r.Guest)
	}
	host, ok := r.Host.(*child)
	if !ok || !l.Clone.Has(namespaces.NewNet) {
		return nil, fmt.Errorf("cannot give it the network of %q: that vassal has none of its own", r.Network.Mode.Of)
	}
	ns, err := host.resources.process.OpenNetwork()
	if err != nil {
		return nil, fmt.Errorf("cannot give it the network of %q: %w", r.Network.Mode.Of, err)
	}
	defer ns.Close()
	return namespaces.NewSpawnerIn(ns)
}

// spawnerIn returns a Spawner in a network with a name.
func spawnerIn(n emperor.Guest) (*namespaces.Spawner, error) {
	f, err := namespaces.NamedNetwork(n.NetNS)
	if err != nil {
		return nil, fmt.Errorf("%s %w", n.At, err)
	}
	defer f.Close()
	ns := netns.NsHandle(f.Fd())
	if err := namespaces.CheckNetwork(ns); err != nil {
		return nil, fmt.Errorf("%s %s: %w", n.At, n.NetNS, err)
	}
	return namespaces.NewSpawnerIn(ns)
}

// guest is the thread in namespaces of others that has cloned the process. The process ends with it. Without a spawner the process has its
// own namespaces.
type guest struct {
	spawner *namespaces.Spawner
	joined  namespaces.Flags
}

func (g *guest) end() {
	if g.spawner != nil {
		g.spawner.Close()
		g.spawner = nil
	}
}

// note remembers the place of the child in the network.
func (c *child) note() {
	a := c.connection.Attachment()
	c.attachment.Store(&a)
}

// Attachment returns the place of the child in the network. Nil: it has none.
func (c *child) Attachment() *emperor.Attachment { return c.attachment.Load() }

// Adjust changes the limits and the connection of the child while it runs.
func (c *child) Adjust(ctx context.Context, p emperor.Plan) error {
	was := c.resources.limits
	if err := c.resources.relimit(p.Cgroup.Limits); err != nil {
		return err
	}
	err := c.reconnect(ctx, p)
	if err != nil {
		err = errors.Join(err, c.resources.relimit(was))
	}
	return err
}

// reconnect changes the connection of the child while it runs.
func (c *child) reconnect(ctx context.Context, p emperor.Plan) error {
	if c.connection == nil {
		if p.Network.Connects() {
			return errors.New("it is not connected")
		}
		return nil
	}
	ns, err := c.resources.process.OpenNetwork()
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := c.connection.Change(ctx, p, ns); err != nil {
		return err
	}
	c.note()
	return nil
}

// holder returns the connection if its clients can wait. Nil: they cannot.
func (c *child) holder() emperor.Holder {
	h, _ := c.connection.(emperor.Holder)
	return h
}

// admit lets clients in that wait for the process.
func (c *child) admit() {
	h := c.holder()
	if h == nil {
		return
	}
	c.life.admitted.Do(func() {
		go func() {
			if err := h.Admit(); err != nil {
				c.resources.log.Warn("clients of its published ports wait longer than they need to", "error", err)
			}
		}()
	})
}

// disconnect takes the connection back.
func (c *child) disconnect() error {
	if c.connection == nil {
		return nil
	}
	return c.connection.Close()
}
