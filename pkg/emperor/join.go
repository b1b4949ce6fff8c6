package emperor

import (
	"fmt"

	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Joins reports whether a plan is for the network of another vassal.
func (p *Plan) Joins() bool { return p != nil && p.Network.Mode.Kind == spec.Join }

// hostOf returns the vassal whose network a plan is for. Nil: there is none of that name.
func (r *roster) hostOf(p *Plan) *vassal {
	name, _ := vassalname.Resolve(p.Network.Mode.Host(), func(name string) bool { return r.named[name] != nil })
	return r.named[name]
}

// joining is everything on which it depends whether a vassal can be launched in the network of another one
// now.
type joining struct {
	at      string // the place of the option, for messages
	missing string // the name of a vassal that does not exist, and whose network it is to have
	circle  bool   // each of some vassals is to have the network of the next one
	tenant  bool   // a tenant's file has the option
	foreign bool   // the host belongs to another user, or its owner is not known
	host    string // the name of the vassal with the network
	serves  bool   // the host serves
}

// apart returns the reason why the vassal cannot be launched in that network now. Empty: it can.
func (j joining) apart() string {
	switch {
	case j.missing != "":
		return fmt.Sprintf("%s there is no vassal %q, whose network it is to have", j.at, j.missing)
	case j.circle:
		return j.at + " each of the vassals is to have the network of the next one, in a circle: one of them needs a network of its own"
	case j.tenant && j.foreign:
		return fmt.Sprintf("%s the vassal %q belongs to another user: a tenant's own file may not choose its network", j.at, j.host)
	case !j.serves:
		return fmt.Sprintf("it waits for %s, whose network it has", j.host)
	}
	return ""
}

// apart returns the reason why a vassal cannot be launched in the network of another one now. Empty:
// it can, or has a network of its own.
func (r *roster) apart(v *vassal) string {
	if v.wish.wanted == nil {
		return ""
	}
	p := v.target()
	if !p.Joins() {
		return ""
	}
	r.joins = true
	j := joining{at: p.Guest.At, tenant: p.Tenant}
	j.missing, j.circle = r.chain(v, p)
	if host := r.hostOf(p); host != nil {
		j.host, j.serves = host.name, host.state.in(serving)
		j.foreign = host.wish.wanted == nil || host.wish.wanted.UID != p.UID
	}
	return j.apart()
}

// chain follows the vassals from one to the next, each of which is to have the network of the next. It returns
// the name of a vassal that does not exist, or reports that the chain leads back to a vassal in it.
func (r *roster) chain(v *vassal, p *Plan) (missing string, circle bool) {
	seen := map[*vassal]bool{v: true}
	for p.Joins() {
		host := r.hostOf(p)
		switch {
		case host == nil:
			return p.Network.Mode.Of, false
		case seen[host]:
			return "", true
		case host.wish.wanted == nil:
			return "", false
		}
		seen[host] = true
		p = host.target()
	}
	return "", false
}

// guestsOf calls f for each vassal that has, or is to have, the network of another one.
func (r *roster) guestsOf(host *vassal, f func(guest *vassal)) {
	if !r.joins {
		return // the usual case costs nothing
	}
	for _, v := range r.named {
		p := v.occupied()
		if p == nil {
			p = v.wish.wanted
		}
		if p.Joins() && v != host && r.hostOf(p) == host {
			f(v)
		}
	}
}

// explainGuests updates the reasons for which vassals wait for the network of another one.
func (r *roster) explainGuests(v *vassal) {
	r.guestsOf(v, func(guest *vassal) { guest.wish.apart = r.apart(guest) })
}

// tellGuests gives an input to the vassals that have, or are to have, the network of another one: they start
// behind it, and end with its generation.
func tellGuests(e *Emperor, v *vassal, in Input) {
	e.vassals.guestsOf(v, func(guest *vassal) { e.input(guest, in) })
}

// leaveHost lets a vassal that waits for the end of its guests continue behind the last of them.
func leaveHost(e *Emperor, v *vassal) {
	if !v.run.config.Joins() {
		return
	}
	if host := e.vassals.hostOf(v.run.config); host != nil && !e.vassals.hosts(host) {
		e.input(host, Alone)
	}
}

// hosts reports whether another vassal is in the network of a vassal.
func (r *roster) hosts(v *vassal) (yes bool) {
	r.guestsOf(v, func(guest *vassal) { yes = yes || guest.occupied() != nil })
	return yes
}
