// Package cni connects vassals by the plugins of a Container Network Interface configuration
// (github.com/containernetworking/cni, SPEC.md). The plugins are programs of the operator and
// run as root in the host's namespaces.
package cni

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Config are the options of the networks.
type Config struct {
	// ConfDirs have the configurations, and PluginDirs the plugins. Nil: the usual ones.
	ConfDirs, PluginDirs []string
	// Dir keeps the record of each attachment and its results. It belongs to this emperor
	// alone. Required.
	Dir string
	// Log is required.
	Log *slog.Logger
}

// The usual directories. The plugins are in the first one when their own archive was unpacked, and
// in the others when a distribution has installed them.
var (
	ConfDirs   = []string{"/etc/cni/net.d"}
	PluginDirs = []string{"/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"}
)

// Networks attaches vassals to networks. Its methods block while plugins run, which takes some
// tens of milliseconds, and may be called by many goroutines.
type Networks struct {
	config Config

	mu   sync.Mutex
	live map[string]*Attachment // by file
}

// Collect removes the attachments of an emperor that was killed, for one that attaches no vassals.
// dir is the Dir of its Config. Without records there is nothing to do.
func Collect(ctx context.Context, dir string, log *slog.Logger) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	n, err := Open(ctx, Config{ConfDirs: []string{}, Dir: dir, Log: log})
	if err != nil {
		return err
	}
	return n.Close()
}

// Open makes the record's directory, and removes the attachments of an emperor that was killed.
// One that cannot be removed stays in the record.
func Open(ctx context.Context, c Config) (*Networks, error) {
	if c.ConfDirs == nil {
		c.ConfDirs = ConfDirs
	}
	if c.PluginDirs == nil {
		c.PluginDirs = PluginDirs
	}
	n := &Networks{config: c, live: map[string]*Attachment{}}
	if err := os.MkdirAll(n.records(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep the record of CNI attachments: %w", err)
	}
	left, err := n.Recorded()
	if err != nil {
		return nil, err
	}
	for _, a := range left {
		if err := a.Del(ctx); err != nil {
			c.Log.Error("an attachment of an earlier emperor cannot be removed", "network", a.Network, "vassal", a.Vassal, "error", err)
		}
	}
	return n, n.collectUnused(ctx)
}

// Close removes the record's directory, unless an attachment is left.
func (n *Networks) Close() error {
	left, err := n.Recorded()
	if err != nil || len(left) > 0 {
		return err
	}
	if err := os.RemoveAll(n.config.Dir); err != nil {
		return fmt.Errorf("cannot remove the record of CNI attachments: %w", err)
	}
	return nil
}

// lib returns the library with the results of this emperor.
func (n *Networks) lib(pluginDirs []string) *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir(pluginDirs, n.config.Dir, &plugins{})
}

// Request is one generation of a vassal that is to be attached.
type Request struct {
	// Network is the name in a configuration.
	Network string
	// Emperor is the id of the emperor, Vassal the vassal's name, and Generation the number of its
	// launch: they name the attachment.
	Emperor, Vassal string
	Generation      uint64
	// Interface is the name of the interface inside.
	Interface string
	// Netns is the network namespace. The caller closes it when Add has returned.
	Netns netns.NsHandle
	// Capabilities are the values of the capabilities that the vassal needs, such as
	// portMappings. A network without one of them is an error.
	Capabilities map[string]any
}

// Attachment is a vassal's place in a network.
type Attachment struct {
	Network, Vassal string
	// Addresses are the vassal's, IPv4 first, and Gateways the way to others.
	Addresses, Gateways []netip.Addr
	// HostInterface is the other end on the host. Empty: there is none.
	HostInterface string
	// Servers are the nameservers that the network has.
	Servers []netip.Addr

	networks *Networks
	record   record
	// netns is the attachment's own handle, guarded by networks.mu. None: the attachment is removed, or
	// of an earlier emperor, whose namespace does not exist any more.
	netns netns.NsHandle
}

// record has the data for the removal of an attachment, also by the next emperor. It is written
// before the first plugin runs.
type record struct {
	Vassal       string          `json:"vassal"`
	ID           string          `json:"id"`
	Interface    string          `json:"interface"`
	Capabilities map[string]any  `json:"capabilities,omitempty"`
	Config       json.RawMessage `json:"config"`
	PluginDirs   []string        `json:"plugin_dirs"`
}

// Add attaches a vassal. After an error nothing is left of the attempt, or it is recorded. The
// caller detaches it with Del, when its processes have ended.
func (n *Networks) Add(ctx context.Context, r Request) (*Attachment, error) {
	list, err := n.load(r.Network)
	if err == nil {
		err = capable(list, r.Capabilities)
	}
	if err == nil {
		if err = namespaces.CheckNetwork(r.Netns); err != nil {
			err = fmt.Errorf("cannot attach it: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", r.Generation, r.Vassal))
	a := &Attachment{Network: r.Network, Vassal: r.Vassal, networks: n, record: record{
		Vassal: r.Vassal, ID: "emperor-" + r.Emperor + "-" + hex.EncodeToString(sum[:8]), Interface: r.Interface, Capabilities: r.Capabilities,
		Config: list.Bytes, PluginDirs: n.config.PluginDirs,
	}}
	if a.netns, err = namespaces.DuplicateNetwork(r.Netns); err != nil {
		return nil, err
	}
	if err := a.keep(); err != nil {
		a.netns.Close()
		return nil, err
	}
	n.note(a, true)
	result, err := n.lib(n.config.PluginDirs).AddNetworkList(withNetns(ctx, a.netns), list, a.runtime(a.netns))
	if err == nil {
		err = a.take(result)
	}
	if err != nil {
		// The time of the failed attempt may be over.
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		return nil, fmt.Errorf("cannot attach it to the CNI network %q: %w", r.Network, errors.Join(causeOf(ctx, err), a.Del(again)))
	}
	return a, nil
}

// undoTime limits the removal of a failed attachment.
const undoTime = 10 * time.Second

// causeOf returns the reason of a cancelled context in place of a killed plugin.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// note adds an attachment to the ones that vassals have, or removes it.
func (n *Networks) note(a *Attachment, live bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if live {
		n.live[a.file()] = a
	} else if n.live[a.file()] == a {
		delete(n.live, a.file())
	}
}

// attached lists the attachments that vassals have.
func (n *Networks) attached() []*Attachment {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.SortedFunc(maps.Values(n.live), func(a, b *Attachment) int { return strings.Compare(a.Vassal, b.Vassal) })
}

// Interface is the name of the interface inside.
func (a *Attachment) Interface() string { return a.record.Interface }

// Check asks the plugins whether the attachment is as they made it. One that is removed meanwhile
// is not checked.
func (a *Attachment) Check(ctx context.Context) error {
	ns, err := a.namespace()
	if err != nil || !ns.IsOpen() { // the attachment was removed
		return err
	}
	defer ns.Close()
	list, err := libcni.NetworkConfFromBytes(a.record.Config)
	if err == nil {
		err = a.networks.lib(a.record.PluginDirs).CheckNetworkList(withNetns(ctx, ns), list, a.runtime(ns))
	}
	if err != nil {
		return fmt.Errorf("the CNI network %q reports: %w", a.Network, err)
	}
	return nil
}

// Del removes the attachment, whatever the vassal has done to its interface. After an error the record
// stays.
func (a *Attachment) Del(ctx context.Context) error {
	a.networks.note(a, false)
	ns := a.giveUp()
	defer func() { closeIfOpen(&ns) }()
	list, err := libcni.NetworkConfFromBytes(a.record.Config)
	if err == nil {
		whole := a.restore(list, &ns)
		if err = a.del(ctx, list, ns); whole != nil {
			closeIfOpen(&ns)
			err = errors.Join(a.restore(list, &ns), a.del(ctx, list, ns)) // in another namespace
		}
	}
	if err == nil {
		err = os.Remove(a.file())
	}
	if err != nil {
		return fmt.Errorf("cannot detach it from the CNI network %q: %w", a.Network, err)
	}
	return nil
}

// del runs the plugins.
func (a *Attachment) del(ctx context.Context, list *libcni.NetworkConfigList, ns netns.NsHandle) error {
	return a.networks.lib(a.record.PluginDirs).DelNetworkList(withNetns(ctx, ns), list, a.runtime(ns))
}

// namespace returns another handle of the network namespace, or None. The caller closes it.
func (a *Attachment) namespace() (netns.NsHandle, error) {
	a.networks.mu.Lock()
	defer a.networks.mu.Unlock()
	if !a.netns.IsOpen() {
		return netns.None(), nil
	}
	return namespaces.DuplicateNetwork(a.netns)
}

// giveUp returns the attachment's own handle, or None. The caller closes it.
func (a *Attachment) giveUp() netns.NsHandle {
	a.networks.mu.Lock()
	defer a.networks.mu.Unlock()
	ns := a.netns
	a.netns = netns.None()
	return ns
}

func closeIfOpen(ns *netns.NsHandle) {
	if ns.IsOpen() {
		ns.Close()
	}
}

// runtime returns the parameters of the plugins.
func (a *Attachment) runtime(ns netns.NsHandle) *libcni.RuntimeConf {
	r := &libcni.RuntimeConf{ContainerID: a.record.ID, IfName: a.record.Interface, CapabilityArgs: a.record.Capabilities}
	if ns.IsOpen() {
		r.NetNS = netnsPath
	}
	return r
}

// take reads the result of the plugins.
func (a *Attachment) take(result resultOf) error {
	r, err := types.GetResult(result)
	if err != nil {
		return err
	}
	for _, ip := range r.IPs {
		if own, ok := netip.AddrFromSlice(ip.Address.IP); ok {
			a.Addresses = append(a.Addresses, own.Unmap())
		}
		if via, ok := netip.AddrFromSlice(ip.Gateway); ok {
			a.Gateways = append(a.Gateways, via.Unmap())
		}
	}
	first := func(x, y netip.Addr) int { return x.BitLen() - y.BitLen() }
	slices.SortStableFunc(a.Addresses, first)
	slices.SortStableFunc(a.Gateways, first)
	for _, i := range r.Interfaces {
		if i.Sandbox == "" { // a bridge comes first, and then the other end
			a.HostInterface = i.Name
		}
	}
	for _, text := range r.DNS.Nameservers {
		if s, err := netip.ParseAddr(text); err == nil {
			a.Servers = append(a.Servers, s.Unmap())
		}
	}
	return nil
}

// load finds the configuration of a network.
func (n *Networks) load(name string) (*libcni.NetworkConfigList, error) {
	if _, err := spec.ParseMode(string(spec.CNI) + ":" + name); err != nil {
		return nil, err
	}
	var failed error
	for _, dir := range n.config.ConfDirs {
		list, err := libcni.LoadNetworkConf(dir, name)
		switch {
		case err == nil:
			return list, nil
		case errors.As(err, new(libcni.NotFoundError)), errors.As(err, new(libcni.NoConfigsFoundError)):
		default:
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("cannot read the CNI network %q: %w", name, failed)
	}
	return nil, fmt.Errorf("there is no CNI network %q in %s (emperor-network-cni-conf = the directory of its file)", name, strings.Join(n.config.ConfDirs, ", "))
}

// capable returns an error when no plugin of a network has a capability.
func capable(list *libcni.NetworkConfigList, needed map[string]any) error {
	for name := range needed {
		if !slices.ContainsFunc(list.Plugins, func(p *libcni.PluginConfig) bool { return p.Network.Capabilities[name] }) {
			return fmt.Errorf("the CNI network %q has no plugin with the capability %s%s", list.Name, name, hints[name])
		}
	}
	return nil
}

var hints = map[string]string{
	PortMappings: ` (network-publish needs {"type": "portmap", "capabilities": {"portMappings": true}})`,
	Bandwidth:    ` (network-limit needs {"type": "bandwidth", "capabilities": {"bandwidth": true}})`,
	MAC:          ` (network-mac needs a plugin such as bridge or tuning with "capabilities": {"mac": true})`,
	IPs:          ` (network-address needs "ipam" with host-local, in a plugin with "capabilities": {"ips": true})`,
}
