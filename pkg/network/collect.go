package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/atomicfile"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// The records of a stage in its directory, beside the ID.
func changesFile(dir string) string { return filepath.Join(dir, "host.json") }
func poolFile(dir string) string    { return filepath.Join(dir, "pool.json") }
func leasesDir(dir string) string   { return filepath.Join(dir, "leases") }
func bridgeDir(dir string) string   { return filepath.Join(dir, "bridge") }

// Collect removes everything that a killed emperor has left: its links, its policy, and its
// changes of the host. dir is the directory of its stage. It is for an emperor that connects no
// vassals; Open does the same. Without records there is nothing to do.
func Collect(dir string, log *slog.Logger) error {
	id, err := recordedID(dir)
	if err != nil || id == "" {
		return err
	}
	if err := collect(dir, log); err != nil {
		return err
	}
	return id.remove(true, dir, os.RemoveAll)
}

// recordedID returns the ID of an earlier stage. Empty: there was none.
func recordedID(dir string) (ID, error) {
	b, err := os.ReadFile(idFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the emperor's network id: %w", err)
	}
	if id := ID(strings.TrimSpace(string(b))); id.valid() {
		return id, nil
	}
	return "", nil
}

// collect removes links and restores settings of an earlier stage. Its policy stays until the
// next one replaces it.
func collect(dir string, log *slog.Logger) error {
	id, err := recordedID(dir)
	if err != nil || id == "" {
		return err
	}
	if _, err := os.Lstat(changesFile(dir)); err == nil { // one that has stopped has left its leases only
		log.Info("removing the network of an emperor that was killed", "id", string(id))
	}
	return restoreHost(id, dir)
}

// restoreHost deletes the links of an emperor and takes back its changes of the host.
func restoreHost(id ID, dir string) error {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	// A kill during a sweep leaves links in the group of the dying ones.
	if err := errors.Join(n.DeleteGroup(id.Group()), n.DeleteGroup(namespaces.DyingGroup)); err != nil {
		return explained("", err)
	}
	c, err := loadChanges(changesFile(dir))
	if err == nil {
		err = errors.Join(id.deleteRoutes(c.Refused), c.restore(n))
	}
	return explained("", err)
}

// deleteRoutes deletes the routes to addresses of a pool that are left without their links.
func (id ID) deleteRoutes(pool []netip.Prefix) error {
	if len(pool) == 0 {
		return nil
	}
	marked, err := markedRoutes()
	if err != nil {
		return err
	}
	links, err := complete(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("cannot list links: %w", err)
	}
	return deleteRoutes(id.routes(marked, links, pool))
}

// remove takes back all that an emperor has made, and then its records in a directory. With its table, if that was not
// closed.
func (id ID) remove(table bool, dir string, records func(dir string) error) error {
	err := restoreHost(id, dir)
	if table {
		err = errors.Join(err, id.removeTable())
	}
	if err != nil {
		return err
	}
	return records(dir)
}

// removeRecords removes the records of a stage with these pools. One that has not opened has had no vassals: all leases stay.
// Leases that stay need the pool that was chosen, and the ID, which the hardware addresses are made from.
func removeRecords(dir string, pools []*Pool, opened bool) error {
	var failed []error
	for _, p := range pools {
		failed = append(failed, p.Close(!opened))
	}
	for _, leases := range []string{leasesDir(dir), bridgeDir(dir)} {
		files, err := os.ReadDir(leases)
		if err == nil && len(files) > 0 {
			return errors.Join(failed...)
		}
	}
	return errors.Join(append(failed, os.RemoveAll(dir))...)
}

// removeTable deletes the table of an earlier stage, if it is there.
func (id ID) removeTable() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	for _, t := range []*nftables.Table{{Family: nftables.TableFamilyINet, Name: id.Table()}, id.guardTable()} {
		c.AddTable(t) // so that there is one to delete
		c.DelTable(t)
	}
	err = c.Flush()
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return nil // a kernel without nftables has no tables
	}
	return explained("cannot remove the policy of the network", err)
}

// claimPool chooses the pool, and gives the host the gateways' addresses. An emperor that starts at
// the same time may choose the same one: the first to have the addresses keeps it.
func (s *Stage) claimPool(host hostFacts) error {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return err
	}
	defer n.Close()
	for range claimTries {
		if s.pool, err = s.choosePool(host); err != nil {
			return err
		}
		s.gateways = s.pool.Gateways()
		if err = s.claimGateways(n); !errors.Is(err, unix.EEXIST) || s.config.Pool != nil {
			break
		}
		host.inUse = append(host.inUse, s.pool.Prefixes()...)
	}
	if err != nil {
		return explained("cannot give the host the gateway's address", err)
	}
	// Packets to a vassal that does not run, or not yet again, are refused at once, and do not leave by
	// the default route.
	for _, p := range s.pool.Prefixes() {
		if err := s.changes.refuse(n, p); err != nil {
			return explained("cannot make the pool unreachable", err)
		}
	}
	return nil
}

// claimTries is the number of pools that are tried.
const claimTries = 16

func (s *Stage) claimGateways(n *namespaces.Netlink) error {
	for _, gateway := range s.gateways {
		if err := s.changes.gateway(n, gateway); err != nil {
			return err
		}
	}
	return nil
}

// choosePool returns the pool of the options, or an automatic one: the one that an earlier
// emperor has chosen, if the host still does not use it.
func (s *Stage) choosePool(host hostFacts) (*Pool, error) {
	prefixes := s.config.Pool
	var err error
	if prefixes == nil {
		prefixes, err = keptPool(&s.config, host)
	} else {
		err = conflict(prefixes, host.inUse)
	}
	if err != nil {
		return nil, err
	}
	return NewPool(leasesDir(s.config.Dir), prefixes...)
}

// keptPool returns private prefixes that the host does not use, and keeps the choice.
func keptPool(c *Config, host hostFacts) (prefixes []netip.Prefix, err error) {
	prefixes, kept, err := automaticPool(c.Dir, host)
	if kept || err != nil {
		return prefixes, err
	}
	if !hasIPv6() {
		c.Log.Info("this host has no IPv6: vassals get IPv4 addresses only")
	}
	b, err := json.Marshal(prefixes)
	if err == nil {
		_, err = atomicfile.Write(poolFile(c.Dir), b, atomicfile.Options{})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot keep the choice of a pool: %w", err)
	}
	return prefixes, nil
}

// automaticPool returns the private prefixes that a stage uses: the ones that an earlier stage has chosen (kept), if the host
// still does not use them. It changes nothing.
func automaticPool(dir string, host hostFacts) (prefixes []netip.Prefix, kept bool, err error) {
	if b, err := os.ReadFile(poolFile(dir)); err == nil && json.Unmarshal(b, &prefixes) == nil && len(prefixes) > 0 && conflict(prefixes, host.inUse) == nil {
		return prefixes, true, nil
	}
	if prefixes, err = AutoPool(machineID(), host.inUse); err == nil && !hasIPv6() {
		prefixes = slices.DeleteFunc(prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() })
	}
	return prefixes, false, err
}

// conflict reports an address or a route of the host in a pool. A route to a larger network is
// none: the routes to vassals are more specific. The error is a Lack.
func conflict(pool, inUse []netip.Prefix) error {
	for _, p := range pool {
		for _, q := range inUse {
			if p.Overlaps(q) && q.Bits() >= p.Bits() {
				return Lack{
					Key: keyPool, What: fmt.Sprintf("the pool %s overlaps %s, which this host uses", p, q), Hint: keyPool + " = another prefix",
				}
			}
		}
	}
	return nil
}

// conflictOfBridge reports one with the prefixes of a bridge that the emperor makes.
func conflictOfBridge(prefixes, inUse []netip.Prefix) error {
	err := conflict(prefixes, inUse)
	if lack := (Lack{}); errors.As(err, &lack) {
		lack.Key, lack.Hint = keyBridge, keyBridge+" = NAME and another prefix"
		return lack
	}
	return err
}

// machineID seeds the automatic pool: the same machine has the same one.
func machineID() string {
	if b, err := os.ReadFile("/etc/machine-id"); err == nil {
		return strings.TrimSpace(string(b))
	}
	name, _ := os.Hostname()
	return name
}

// hasIPv6 reports whether interfaces of this network namespace can have addresses of IPv6.
func hasIPv6() bool {
	b, err := os.ReadFile(filepath.Join(sysctls, "ipv6/conf/all/disable_ipv6"))
	return err == nil && strings.TrimSpace(string(b)) == "0"
}
