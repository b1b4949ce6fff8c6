package network

import (
	"errors"
	"net/netip"
	"time"

	"github.com/google/nftables"
)

// holdTime is the longest time for which clients wait for the next generation of a vassal: a client sends
// the first packet of a connection again after 1, 3, 7 and 15 seconds (tcp(7), tcp_syn_retries).
const holdTime = 30 * time.Second

// Clients are the clients of published ports, which wait for a vassal that is started again. Methods may be called
// by many goroutines; the ones that are not exported say whether their caller holds the lock of the stage.
type Clients struct {
	stage *Stage
	held  map[string]*held // by vassal
	// ended are the elements that refuse clients of vassals that have no link any more.
	ended map[string][]Element
}

// held are the published ports of a vassal between two generations: they lead to its addresses, where
// the kernel drops the first packet of each new connection. Clients repeat it.
type held struct {
	of        *Link     // of the generation that ends; nil: the next one has taken the ports over
	published []Element // what leads to the addresses, of the link that is gone
	waiting   []Element // the addresses at which clients wait
	limit     *time.Timer
}

// Hold makes clients of a vassal's published ports wait from now on, also after Down, until Admit, or
// the next Down, of a later link of the vassal, for at most 30 s. Connections that exist continue. A vassal that
// publishes nothing is not held.
func (c *Clients) Hold(l *Link) error {
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	if c.stage.links[l.Vassal] != l || len(l.wish.Publish) == 0 || c.held[l.Vassal] != nil {
		return nil
	}
	h := &held{of: l, waiting: ofAddresses(setHeld, l.Addresses)}
	if err := c.stage.table.Replace(nil, h.waiting); err != nil {
		return err
	}
	vassal := l.Vassal
	h.limit = time.AfterFunc(holdTime, func() { c.release(vassal) })
	c.held[vassal] = h
	return nil
}

// Admit lets the clients in that wait for a later link than the one that was held.
func (c *Clients) Admit(l *Link) error {
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	if h := c.held[l.Vassal]; h == nil || h.of == l {
		return nil
	}
	return c.admit(l.Vassal)
}

// release ends the waiting for a vassal. Without a link clients are refused from then on.
func (c *Clients) release(vassal string) {
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	if err := c.admit(vassal); err != nil {
		c.stage.config.Log.Warn("clients of its published ports still wait", "vassal", vassal, "error", err)
	}
}

// forget ends the refusal of clients of a vassal that will not come back soon. The pool refuses packets to its addresses.
func (c *Clients) forget(vassal string) {
	c.release(vassal)
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	ended := c.ended[vassal]
	delete(c.ended, vassal)
	if err := c.stage.table.Replace(ended, nil); err != nil {
		c.stage.config.Log.Warn("cannot remove a vassal from the policy", "vassal", vassal, "error", err)
	}
}

// ofAddresses returns an element of a set for each address.
func ofAddresses(set string, addresses []netip.Addr) (list []Element) {
	for _, a := range addresses {
		list = append(list, Element{set + familyOf(a).suffix, nftables.SetElement{Key: a.AsSlice()}})
	}
	return list
}

// admit gives up the hold of a vassal, if there is one. The caller holds mu.
func (c *Clients) admit(vassal string) error {
	h := c.held[vassal]
	if h == nil {
		return nil
	}
	delete(c.held, vassal)
	h.limit.Stop()
	if h.of != nil && c.stage.links[vassal] == nil {
		c.stage.ports.release(vassal, nil)
	}
	return c.stage.table.Replace(append(h.published, h.waiting...), nil)
}

// keep removes the elements of a link that ends, except elements that keep clients waiting. It reports
// whether the published ports stay. Without waiting clients, new ones are refused from now on, until the next link, or
// Stage.Forget, if the link was complete. The caller holds mu.
func (c *Clients) keep(l *Link, complete bool) (stays bool, err error) {
	h := c.held[l.Vassal]
	if h == nil || h.of != l {
		if complete {
			c.ended[l.Vassal] = ofAddresses(setEnded, l.Addresses)
		}
		return false, errors.Join(c.stage.table.Replace(l.elements, c.ended[l.Vassal]), c.admit(l.Vassal))
	}
	for _, a := range l.Addresses {
		for _, p := range l.wish.Publish {
			h.published = append(h.published, publishedAt(familyOf(a), a.AsSlice(), p)...)
		}
	}
	return true, c.stage.table.Replace(l.elements, h.published)
}

// take gives the ports that are held for a vassal to its next link.
func (c *Clients) take(vassal string) {
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	if h := c.held[vassal]; h != nil {
		h.of = nil
	}
}

// succeed makes a new link responsible for the elements that lead to the vassal. The caller holds mu.
func (c *Clients) succeed(l *Link) {
	defer func() {
		l.elements = append(l.elements, c.ended[l.Vassal]...)
		delete(c.ended, l.Vassal)
	}()
	if h := c.held[l.Vassal]; h != nil {
		l.elements, h.published = h.published, nil
	}
}

// close ends the waiting, with the stage.
func (c *Clients) close() {
	c.stage.mu.Lock()
	defer c.stage.mu.Unlock()
	for _, h := range c.held {
		h.limit.Stop()
	}
}
