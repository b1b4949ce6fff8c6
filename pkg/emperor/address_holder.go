package emperor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// A Place is an address of a socket, independent of its spelling. Its methods do not block.
type Place = address.Place

// PlaceOf returns the place of an address in uWSGI's spelling: a path, @ and an abstract name, or
// host:port. A relative path starts in dir. PlaceOf reads directories, so it may block.
func PlaceOf(text, dir string) Place { return address.Placed(text, dir) }

// withHolder adds to a vassal's reason the other vassal that has its address. The vassal itself
// cannot know the name: it sees at most a process. The reason contains the address in quotes.
func (r *roster) withHolder(v *vassal, p *Plan, reason string) string {
	if p.OwnNetwork || !strings.Contains(reason, unix.EADDRINUSE.Error()) {
		return reason
	}
	for i, place := range p.Places {
		if !strings.Contains(reason, strconv.Quote(p.Addresses[i])) {
			continue
		}
		if holder := r.holderOf(place, v); holder != nil {
			v.log.Warn("another vassal has its address", "address", p.Addresses[i], "holder", holder.name)
			return fmt.Sprintf("%s (vassal %q has it)", reason, holder.name)
		}
	}
	return reason
}

// holderOf returns the vassal other than v that has a place: one that serves, or else one that
// boots and may have bound it already. Nil: none has.
func (r *roster) holderOf(place address.Place, v *vassal) *vassal {
	all := r.sorted()
	for _, may := range []group{serving, withProcess} {
		i := slices.IndexFunc(all, func(other *vassal) bool { return other != v && other.state.in(may) && other.binds(place) })
		if i >= 0 {
			return all[i]
		}
	}
	return nil
}

// binds reports whether a vassal binds a place in the emperor's network namespace.
func (v *vassal) binds(place address.Place) bool {
	return !v.run.config.OwnNetwork && slices.ContainsFunc(v.run.config.Places, place.Meets)
}
