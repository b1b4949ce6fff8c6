package process

import (
	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// KeepSockets implements Process. Sockets are useless to a program that binds its own. Clients of published ports
// wait, if the network of the vassal can make them.
func (c *child) KeepSockets() {
	if c.holder() != nil || c.resources.launcher.programFor(*c.resources.request.Plan) == nil {
		c.keeping = make(chan struct{})
	}
}

// keepSockets takes the listening sockets of the process, and announces that to it. In a network namespace of its
// own they are useless to another generation, but for the ones of the SocketMaker.
func (c *child) keepSockets() {
	l, network := c.resources.launcher, uint64(0)
	if l.programFor(*c.resources.request.Plan) != nil {
		return
	}
	if l.Clone.Has(namespaces.NewNet) {
		if l.Sockets == nil || l.Sockets.Home() == 0 {
			return
		}
		network = l.Sockets.Home()
	}
	namespaces.Bounded(func() { c.kept = c.resources.process.Listening(network) })
	if len(c.kept) > 0 {
		_ = c.send(wire.Held) // the stop reports a lost connection
	}
}

// KeptSockets implements Process.
func (c *child) KeptSockets() namespaces.Sockets { return c.kept }

// mostUnbound limits the sockets that are made for one vassal.
const mostUnbound = 64

// unbound makes a socket for each path that a vassal with a network of its own binds.
func unbound(l *Launcher, r emperor.Request) namespaces.Sockets {
	if l.Sockets == nil || r.Socket != nil || l.programFor(*r.Plan) != nil {
		return nil
	}
	count := 0
	for _, text := range r.Addresses {
		if address.InFiles(text) && count < mostUnbound {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	made, err := l.Sockets.Make(count)
	if err != nil {
		r.Log.Debug("its unix sockets do not outlive its process", "error", err)
	}
	return made
}
