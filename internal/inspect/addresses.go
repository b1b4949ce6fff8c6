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

// sharedAddresses reports each address that several vassals bind once, on the line of
// the second that has it: an address is for one vassal. Vassals of one directory, or of
// one emperor, are compared.
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
		found = append(found, g[1].finding(check, severity, g[1].Name, what, "an address is for one vassal"))
	}
	return found
}

// clashes reports whether another vassal cannot bind its address beside this one.
func (c claim) clashes(o claim) bool {
	near := filepath.Dir(c.File) == filepath.Dir(o.File) || c.Emperor != nil && c.Emperor == o.Emperor
	onPurpose := c.Vassal.Listening.ReusePort && o.Vassal.Listening.ReusePort
	return near && !onPurpose && c.place.Meets(o.place)
}

// verdict says how sure it is that the address of two vassals is one: a path is, an
// address of the network where they share the network of the host.
func (c claim) verdict() (check string, severity Severity, ok bool) {
	switch {
	case address.InFiles(c.Address), c.Emperor != nil && !c.Emperor.Clone.Has(namespaces.NewNet):
		return "address-taken", Error, true
	case c.Emperor == nil:
		return "address-perhaps-taken", Warning, true
	}
	return "", "", false
}
