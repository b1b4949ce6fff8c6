package emperor

import (
	"slices"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// takeSockets takes over the sockets of a generation that has ended. When that generation has none, the
// vassal's held sockets stay.
func (v *vassal) takeSockets(kept namespaces.Sockets) {
	if len(kept) > 0 {
		v.closeKept()
		v.run.kept = kept
	}
}

// holdsSockets reports whether the sockets that a launch gets are held until it is ready, because the
// configuration before it, which binds the same addresses, may be launched again.
func (v *vassal) holdsSockets() bool {
	return v.onTrial() && slices.Equal(v.run.config.Addresses, v.outcome.proven.Addresses)
}

// closeKept closes the sockets of the last generation.
func (v *vassal) closeKept() {
	if kept := v.run.kept; len(kept) > 0 {
		v.run.kept = nil
		v.group.Go(kept.Close)
	}
}
