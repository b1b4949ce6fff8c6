package emperor

import "github.com/emperor-go/emperor/pkg/namespaces"

// Keep implements Process. In a network of its own the sockets are of no use to another
// generation, and neither are they to a program that binds its own.
func (c *child) Keep() {
	if !c.system.Clone.Has(namespaces.NewNet) && c.system.programFor(c.request.Plan) == nil {
		c.keeping = make(chan struct{})
	}
}

// Kept implements Process.
func (c *child) Kept() namespaces.Sockets { return c.kept }

// returns reports whether another generation is to follow at once on this one. The socket of an
// on-demand vassal outlives generations anyhow.
func (e *Emperor) returns(v *vassal) bool {
	next := e.verdict(v)
	return v.activation == nil && (next == Again || next == Sleep)
}

// letGo closes the sockets of the last generation where none follows on it at once.
func (e *Emperor) letGo(v *vassal, next Input) {
	if kept := v.kept; len(kept) > 0 && next != Again && next != Sleep {
		v.kept = nil
		e.group.Go(kept.Close)
	}
}
