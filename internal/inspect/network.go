package inspect

import (
	"fmt"
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// sharedNetwork reports addresses and published ports that two vassals of one directory or one
// emperor have.
func sharedNetwork(list []Subject) (found []Finding) {
	for i, s := range list {
		for _, other := range list[:i] {
			near := filepath.Dir(s.File) == filepath.Dir(other.File) || s.Emperor != nil && s.Emperor == other.Emperor
			if !near || s.Vassal.Network.Mode.Kind == spec.None || other.Vassal.Network.Mode.Kind == spec.None {
				continue
			}
			found = append(found, s.collisions(other)...)
		}
	}
	return found
}

// collisions compares two vassals.
func (s Subject) collisions(other Subject) (found []Finding) {
	add := func(check, key, text, what, hint string) {
		f := s.finding(check, Error, key, what, hint)
		if o := s.Vassal.OriginOf(key, text); o.Line > 0 {
			f.Origin = o
		}
		found = append(found, f)
	}
	name := filepath.Base(other.File)
	for _, a := range s.Vassal.Network.Addresses {
		for _, b := range other.Vassal.Network.Addresses {
			if a == b {
				add("network-address-taken", "network-address", a.String(), fmt.Sprintf("%s has the address %s too", name, a), "each vassal needs its own address")
			}
		}
	}
	for _, p := range s.Vassal.Network.Publish {
		for _, q := range other.Vassal.Network.Publish {
			if p.Overlaps(q.Ports) {
				add("port-taken", "network-publish", p.String(), fmt.Sprintf("%s publishes port %s too", name, q.Ports), "each vassal needs ports of its own")
			}
		}
	}
	return found
}
