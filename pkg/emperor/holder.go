package emperor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// withHolder adds to a vassal's reason the other vassal that has its address. The vassal itself
// cannot know the name: it sees at most a process. The reason contains the address in quotes.
func (e *Emperor) withHolder(v *vassal, p Plan, reason string) string {
	if p.OwnNetwork || !strings.Contains(reason, unix.EADDRINUSE.Error()) {
		return reason
	}
	for i, place := range p.Places {
		if !strings.Contains(reason, strconv.Quote(p.Addresses[i])) {
			continue
		}
		for _, other := range e.sorted() {
			if other != v && other.binds(place) {
				v.log.Warn("another vassal has its address", "address", p.Addresses[i], "holder", other.name)
				return fmt.Sprintf("%s (vassal %q has it)", reason, other.name)
			}
		}
	}
	return reason
}

// binds reports whether a vassal with a process has bound a place in the emperor's network
// namespace.
func (v *vassal) binds(place address.Place) bool {
	return v.state.hasProcess() && !v.config.OwnNetwork && slices.ContainsFunc(v.config.Places, place.Meets)
}
