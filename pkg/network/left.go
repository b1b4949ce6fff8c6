package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Left lists the parts of the network that a killed emperor has left, by name: its links, and others. dir is the
// directory of its stage. It changes nothing; Collect removes them. The caller keeps other emperors from the directory.
func Left(dir string) (links, others []string, err error) {
	id, err := recordedID(dir)
	if err != nil || id == "" {
		return nil, nil, err
	}
	c, err := loadChanges(changesFile(dir))
	if err != nil {
		return nil, nil, err
	}
	routes, err := markedRoutes()
	if err != nil {
		return nil, nil, err
	}
	all, err := complete(netlink.LinkList)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot list links: %w", err)
	}
	for _, l := range all {
		if group := l.Attrs().Group; group == id.Group() || group == namespaces.DyingGroup {
			links = append(links, l.Attrs().Name)
		}
	}
	for _, r := range id.routes(routes, all, c.Refused) {
		others = append(others, routeName(r))
	}
	own, err := HostAddresses()
	if err != nil {
		return nil, nil, err
	}
	return links, slices.Concat(others, id.tables(), c.inEffect(own), leasesIn(dir, true)), nil
}

// Kept lists the leases that an emperor has left for the next one when it stopped, by name. Collect removes them. dir is
// the directory of its stage.
func Kept(dir string) []string { return leasesIn(dir, false) }

// tables lists the tables of an emperor that are there. A kernel without nftables has none.
func (id ID) tables() (names []string) {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	for _, family := range []struct {
		name string
		of   nftables.TableFamily
	}{{"inet", nftables.TableFamilyINet}, {"netdev", nftables.TableFamilyNetdev}} {
		tables, _ := c.ListTablesOfFamily(family.of)
		if slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == id.Table() }) {
			names = append(names, "table "+family.name+" "+id.Table())
		}
	}
	return names
}

// inEffect lists the changes of the host that are still there. own are the addresses of the host.
func (c *changes) inEffect(own []netip.Addr) (list []string) {
	for _, p := range c.Addresses {
		if slices.Contains(own, p.Addr()) {
			list = append(list, "address "+p.String()+" of the interface lo")
		}
	}
	for path, was := range c.Settings {
		now, err := os.ReadFile(path)
		setting, inside := strings.CutPrefix(path, c.root+"/")
		if value := strings.TrimSpace(string(now)); err == nil && inside && value != was {
			list = append(list, fmt.Sprintf("setting %s = %s, before %s", sysctlName(setting), value, was))
		}
	}
	if _, err := os.Lstat(c.DropIn); c.DropIn != "" && err == nil {
		list = append(list, "file "+c.DropIn)
	}
	slices.Sort(list)
	return list
}

// leasesIn lists the leases of a stage that are in use, or the other ones.
func leasesIn(dir string, inUse bool) (list []string) {
	for _, leases := range []string{leasesDir(dir), bridgeDir(dir)} {
		files, _ := os.ReadDir(leases)
		for _, f := range files {
			var l lease
			if b, err := os.ReadFile(filepath.Join(leases, f.Name())); err == nil && json.Unmarshal(b, &l) == nil && l.Released.IsZero() == inUse {
				list = append(list, "lease of "+l.Name)
			}
		}
	}
	slices.Sort(list)
	return list
}
