package network

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/atomicfile"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// changes are the settings of the host that an emperor has changed. They are written down
// before each change, so that the next emperor can restore them after a kill.
type changes struct {
	path string
	root string // of the settings; tests have another one
	// metric of the routes that refuse packets. Zero: any one, of changes to take back.
	metric uint32
	there  presence // of the emperor that makes the changes

	// Settings are files of /proc/sys with their former values.
	Settings map[string]string `json:"settings,omitempty"`
	// Addresses of the loopback interface: the gateways.
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	// Refused are the prefixes with an unreachable route: the pool.
	Refused []netip.Prefix `json:"refused,omitempty"`
	// DropIn is a file of sysctl.d(5) with the values of Settings: a later run of systemd-sysctl does not
	// undo them. Empty: there is none.
	DropIn string            `json:"drop_in,omitempty"`
	values map[string]string // of Settings
}

// dropIn returns the place of that file, which is read for the initial network namespace only. Empty:
// this is another one.
func (id ID) dropIn() string {
	const initial = "pid:[4026531836]" // PROC_PID_INIT_INO of linux/proc_ns.h
	pids, _ := os.Readlink("/proc/self/ns/pid")
	first, err := os.Readlink("/proc/1/ns/net")
	own, failed := os.Readlink("/proc/self/ns/net")
	if pids != initial || err != nil || failed != nil || own != first {
		return ""
	}
	return "/run/sysctl.d/60-emperor-" + string(id) + ".conf"
}

// writeDropIn writes that file.
func (c *changes) writeDropIn() error {
	if c.DropIn == "" {
		return nil
	}
	text := "# Made by emperor, which removes it.\n"
	for _, setting := range slices.Sorted(maps.Keys(c.values)) {
		text += "net/" + setting + " = " + c.values[setting] + "\n"
	}
	if err := os.MkdirAll(filepath.Dir(c.DropIn), 0o755); err != nil {
		return err
	}
	return os.WriteFile(c.DropIn, []byte(text), 0o644)
}

// loadChanges reads the changes of an earlier emperor from a file. A missing file is none.
func loadChanges(path string) (*changes, error) {
	c := &changes{path: path, root: sysctls, there: -1, Settings: map[string]string{}, values: map[string]string{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the changes of an earlier emperor: %w", err)
	}
	return c, nil
}

func (c *changes) keep() error {
	b, err := json.Marshal(c)
	if err == nil {
		_, err = atomicfile.Write(c.path, b, atomicfile.Options{})
	}
	if err != nil {
		return fmt.Errorf("cannot record the changes of the host: %w", err)
	}
	return nil
}

// sysctls is where settings of the network are.
const sysctls = "/proc/sys/net"

// keepAgain records the changes once more if their record was lost, so that they are taken back.
func (c *changes) keepAgain() error {
	if _, err := os.Lstat(c.path); !errors.Is(err, os.ErrNotExist) || len(c.Settings)+len(c.Addresses)+len(c.Refused) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	return c.keep()
}

// set gives a setting a value, if it has another one. A missing file is ErrNotExist.
func (c *changes) set(setting, value string) error {
	path := filepath.Join(c.root, setting)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	now := strings.TrimSpace(string(b))
	if now == value {
		return nil
	}
	if _, changed := c.Settings[path]; !changed {
		c.Settings[path] = now
		if err := c.keep(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return err
	}
	c.values[setting] = value
	return c.writeDropIn()
}

// gateway adds an address to the loopback interface. One that is there already, of another
// emperor, is EEXIST.
func (c *changes) gateway(n *namespaces.Netlink, a netip.Addr) error {
	p := netip.PrefixFrom(a, a.BitLen())
	c.Addresses = append(c.Addresses, p)
	if err := c.keep(); err != nil {
		return err
	}
	err := n.Apply(loopback.Up(), loopback.NewAddress(p))
	if errors.Is(err, unix.EEXIST) {
		c.Addresses = c.Addresses[:len(c.Addresses)-1]
		err = errors.Join(err, c.keep())
	}
	return err
}

// refuse makes a prefix unreachable where no other route leads, also of other programs.
func (c *changes) refuse(n *namespaces.Netlink, p netip.Prefix) error {
	c.Refused = append(c.Refused, p)
	if err := c.keep(); err != nil {
		return err
	}
	return n.Apply(c.unreachable(p).AddNew())
}

func (c *changes) unreachable(p netip.Prefix) namespaces.HostRoute {
	return namespaces.HostRoute{To: p, Protocol: RouteProtocol, Unreachable: true, Metric: c.metric}
}

// loopback is the index of the loopback interface in each namespace.
const loopback namespaces.Index = 1

// restore takes all changes back. A link that is gone has no settings.
func (c *changes) restore(n *namespaces.Netlink) error {
	var failed []error
	for path, value := range c.Settings {
		if err := os.WriteFile(path, []byte(value), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, fmt.Errorf("cannot restore %s = %s: %w", path, value, err))
		}
	}
	for _, p := range c.Addresses {
		if err := n.Apply(loopback.NoAddress(p)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			failed = append(failed, err)
		}
	}
	for _, p := range c.Refused {
		if err := n.Apply(c.unreachable(p).Delete()); err != nil && !errors.Is(err, unix.ESRCH) {
			failed = append(failed, err)
		}
	}
	if c.DropIn != "" {
		if err := os.Remove(c.DropIn); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	c.Settings, c.Addresses, c.Refused = map[string]string{}, nil, nil
	if err := os.Remove(c.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// hostFacts are the parts of the host's network that an emperor reads.
type hostFacts struct {
	// inUse are the addresses and routes, but for default routes.
	inUse []netip.Prefix
	// uplinks are the interfaces of the default routes, by family.
	uplinks [2][]string
	// mtu is the smallest MTU of them.
	mtu int
	// by has the interfaces of inUse.
	by map[netip.Prefix]string
}

// readHost reads them.
func readHost() (f hostFacts, err error) {
	f.by = map[netip.Prefix]string{}
	links, err := complete(netlink.LinkList)
	if err != nil {
		return f, fmt.Errorf("cannot list links: %w", err)
	}
	byIndex := map[int]*netlink.LinkAttrs{}
	for _, l := range links {
		byIndex[l.Attrs().Index] = l.Attrs()
	}
	addresses, err := complete(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return f, fmt.Errorf("cannot list addresses: %w", err)
	}
	for _, a := range addresses {
		f.use(a.IPNet.String(), byIndex[a.LinkIndex])
	}
	for i, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := complete(func() ([]netlink.Route, error) { return netlink.RouteList(nil, family) })
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return f, fmt.Errorf("cannot list routes: %w", err)
		}
		for _, r := range routes {
			f.route(i, r, byIndex)
		}
	}
	return f, nil
}

// chosen returns the uplinks by family: the ones of the options, or of the default routes.
func (f *hostFacts) chosen(options []string) [2][]string {
	if options != nil {
		return [2][]string{options, options}
	}
	return f.uplinks
}

// use adds a network. by is its interface; nil: it has none.
func (f *hostFacts) use(cidr string, by *netlink.LinkAttrs) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return
	}
	p = p.Masked()
	f.inUse = append(f.inUse, p)
	if by != nil {
		f.by[p] = by.Name
	}
}

// within describes the networks of other interfaces in a pool. own are the emperor's addresses.
func (f *hostFacts) within(pool []netip.Prefix, own []netip.Addr) (list []string) {
	for _, used := range f.inUse {
		if used.IsSingleIP() && slices.Contains(own, used.Addr()) {
			continue
		}
		for _, p := range pool {
			if conflict([]netip.Prefix{p}, []netip.Prefix{used}) == nil {
				continue
			}
			text := fmt.Sprintf("%s of this host (%s) is in the pool %s of vassals (emperor-network-pool = another prefix, or remove it)", used,
				cmp.Or(f.by[used], "no interface"), p)
			if !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	return list
}

func (f *hostFacts) route(family int, r netlink.Route, links map[int]*netlink.LinkAttrs) {
	if r.Dst != nil && !r.Dst.IP.IsUnspecified() {
		if r.Protocol != RouteProtocol {
			f.use(r.Dst.String(), links[r.LinkIndex])
		}
		return
	}
	hops := []int{r.LinkIndex}
	for _, h := range r.MultiPath {
		hops = append(hops, h.LinkIndex)
	}
	for _, index := range hops {
		l := links[index]
		if l == nil || slices.Contains(f.uplinks[family], l.Name) {
			continue
		}
		f.uplinks[family] = append(f.uplinks[family], l.Name)
		if l.MTU > 0 && (f.mtu == 0 || l.MTU < f.mtu) {
			f.mtu = l.MTU
		}
	}
}

// HostAddresses lists the addresses of this network namespace, but for the loopback ones.
func HostAddresses() (list []netip.Addr, err error) {
	all, err := complete(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	for _, a := range all {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && !ip.Unmap().IsLoopback() {
			list = append(list, ip.Unmap())
		}
	}
	return list, nil
}

// complete repeats a listing that a change has interrupted: its result would miss entries.
func complete[T any](list func() ([]T, error)) (all []T, err error) {
	const tries = 20
	for range tries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, err
}
