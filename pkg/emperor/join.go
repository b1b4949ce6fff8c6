package emperor

import (
	"fmt"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Joins reports whether a plan is for the network of another vassal.
func (p *Plan) Joins() bool { return p != nil && p.Network.Mode.Kind == spec.Join }

// hostOf returns the vassal whose network a plan is for. Nil: there is none of that name.
func (r *roster) hostOf(p *Plan) *vassal {
	if host := r.named[p.Network.Mode.Of]; host != nil {
		return host
	}
	return r.named[p.Network.Mode.Of+".ini"]
}

// apart returns the reason why a vassal cannot be launched in the network of another one now. Empty:
// it can, or has a network of its own.
func (r *roster) apart(v *vassal) string {
	if v.wanted == nil {
		return ""
	}
	p := v.target()
	if !p.Joins() {
		return ""
	}
	r.joins = true
	seen := map[*vassal]bool{v: true}
	for at := p; at.Joins(); {
		host := r.hostOf(at)
		switch {
		case host == nil:
			return fmt.Sprintf("%s there is no vassal %q, whose network it is to have", p.JoinAt, at.Network.Mode.Of)
		case seen[host]:
			return fmt.Sprintf("%s each of the vassals is to have the network of the next one, in a circle: one of them needs a network of its own", p.JoinAt)
		}
		seen[host] = true
		if host.wanted == nil {
			break
		}
		at = host.target()
	}
	host := r.hostOf(p)
	switch {
	case p.Tenant && (host.wanted == nil || host.wanted.UID != p.UID):
		return fmt.Sprintf("%s the vassal %q belongs to another user: a tenant's own file may not choose its network", p.JoinAt, host.name)
	case !host.state.serving():
		return fmt.Sprintf("it waits for %s, whose network it has", host.name)
	}
	return ""
}

// guestsOf calls f for each vassal that has, or is to have, the network of another one.
func (r *roster) guestsOf(host *vassal, f func(guest *vassal)) {
	if !r.joins {
		return // the usual case costs nothing
	}
	for _, v := range r.named {
		p := v.wanted
		if v.state.hasProcess() {
			p = v.config
		}
		if p.Joins() && v != host && r.hostOf(p) == host {
			f(v)
		}
	}
}

// meetGuests lets the vassals follow that have the network of another one, after a transition of it:
// they start behind it, and end with its generation. A vassal that waits for the end of its guests stops
// behind the last of them.
func (e *Emperor) meetGuests(v *vassal, was, next State) {
	switch {
	case next == Idle, next == Starting:
		e.vassals.guestsOf(v, func(guest *vassal) { guest.apart = e.vassals.apart(guest) })
	case next == Running && !was.serving():
		e.vassals.guestsOf(v, func(guest *vassal) {
			if guest.state == Idle {
				e.input(guest, Want)
			}
		})
	case was.serving() && !next.serving():
		e.vassals.guestsOf(v, func(guest *vassal) {
			switch {
			case guest.state.hasProcess():
				guest.log.Info("its network ends: it is stopped, and follows the next one", "of", v.name)
				e.input(guest, Want)
			case guest.state == Queued, guest.state == Reverting: // the next process would have a network that ends
				e.input(guest, Drop)
			}
		})
	}
	if !was.hasProcess() || next.hasProcess() || !v.config.Joins() {
		return
	}
	if host := e.vassals.hostOf(v.config); host != nil && !e.vassals.hosts(host) {
		e.input(host, Alone)
	}
}

// hosts reports whether another vassal is in the network of a vassal.
func (r *roster) hosts(v *vassal) (yes bool) {
	r.guestsOf(v, func(guest *vassal) { yes = yes || guest.state.hasProcess() })
	return yes
}
