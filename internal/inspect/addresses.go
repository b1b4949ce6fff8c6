package inspect

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// claim is an address that a vassal binds.
type claim struct {
	Subject
	config.Socket
	place address.Place
}

// sharedAddresses reports each address that several vassals bind, once, at the line of the
// second vassal. It compares the vassals of one directory or of one emperor.
func sharedAddresses(list []Subject) (found []Finding) {
	var groups [][]claim
	for _, s := range list {
		for _, a := range addresses(s.Vassal) {
			c := claim{s, a, address.Placed(a.Address, filepath.Dir(s.File))}
			i := slices.IndexFunc(groups, func(g []claim) bool { return g[0].clashes(c) })
			switch {
			case i < 0:
				groups = append(groups, []claim{c})
			case groups[i][len(groups[i])-1].File != s.File:
				groups[i] = append(groups[i], c)
			}
		}
	}
	for _, g := range groups {
		if len(g) < 2 {
			continue
		}
		check, severity, ok := g[1].verdict()
		if !ok {
			continue
		}
		what := fmt.Sprintf("%s listens on %s too", filepath.Base(g[0].File), g[0].Address)
		if more := len(g) - 2; more > 0 {
			what += fmt.Sprintf(", and %d more (%s, …)", more, filepath.Base(g[2].File))
		}
		found = append(found, g[1].finding(check, severity, g[1].Name, what, "each vassal needs its own address"))
	}
	return found
}

// clashes reports whether the two vassals cannot bind their addresses at the same time.
func (c claim) clashes(o claim) bool {
	near := filepath.Dir(c.File) == filepath.Dir(o.File) || c.Emperor != nil && c.Emperor == o.Emperor
	onPurpose := c.Vassal.Listening.ReusePort && o.Vassal.Listening.ReusePort
	return near && !onPurpose && c.place.Meets(o.place)
}

// verdict returns how certain a conflict is. A path always conflicts; a network address
// conflicts only where both vassals use the network of the host.
func (c claim) verdict() (check string, severity Severity, ok bool) {
	switch {
	case address.InFiles(c.Address), c.Emperor != nil && !c.Emperor.Clone.Has(namespaces.NewNet):
		return "address-taken", Error, true
	case c.Emperor == nil:
		return "address-perhaps-taken", Warning, true
	}
	return "", "", false
}
