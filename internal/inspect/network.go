package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/vassalname"
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

// circles reports vassals that are to have the network of one that is not there, of another user, or of
// themselves in the end.
func circles(list []Subject) (found []Finding) {
	for _, s := range list {
		mode := s.Vassal.Network.Mode
		if mode.Kind != spec.Join {
			continue
		}
		if what, hint := s.misjoined(list); what != "" {
			f := s.finding("network-joined", Error, "network", what, hint)
			f.Origin = s.Vassal.OriginOf("network", mode.String())
			found = append(found, f)
		}
	}
	return found
}

// misjoined returns why a vassal cannot have the network of another one. Empty: it can.
func (s Subject) misjoined(list []Subject) (what, hint string) {
	of := s.Vassal.Network.Mode.Of
	host := s.host(list)
	if host == nil {
		if _, there := vassalname.Resolve(of, s.beside); there {
			return "", "" // it is not checked
		}
		return fmt.Sprintf("there is no vassal %q", of), "join:NAME of a file beside this one"
	}
	if tenant := s.owner() != 0 && s.owner() != os.Geteuid(); tenant && s.owner() != host.owner() {
		return fmt.Sprintf("%s belongs to another user", filepath.Base(host.File)), "a tenant's own file may choose the network of vassals of the same user"
	}
	for seen := []string{}; host != nil && !slices.Contains(seen, host.File); host = host.host(list) {
		if host.File == s.File {
			return "each of the vassals is to have the network of the next one, in a circle", "a network of its own for one of them"
		}
		seen = append(seen, host.File)
	}
	return "", ""
}

// beside reports whether a file is in the directory of the vassal's file.
func (s Subject) beside(name string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(s.File), name))
	return err == nil
}

// host returns the vassal whose network s is to have. Nil: it is not in the list, or s has its own.
func (s Subject) host(list []Subject) (found *Subject) {
	vassalname.Resolve(s.Vassal.Network.Mode.Host(), func(name string) bool {
		i := slices.IndexFunc(list, func(other Subject) bool { return other.File == filepath.Join(filepath.Dir(s.File), name) })
		if i >= 0 {
			found = &list[i]
		}
		return i >= 0
	})
	return found
}

// owner returns the owner of the file; -1: it is not known.
func (s Subject) owner() int {
	var st unix.Stat_t
	if unix.Stat(s.File, &st) != nil {
		return -1
	}
	return int(st.Uid)
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
