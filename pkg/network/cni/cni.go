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
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
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
	lib    *libcni.CNIConfig
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
	n := &Networks{c, libcni.NewCNIConfigWithCacheDir(c.PluginDirs, c.Dir, &plugins{})}
	if err := os.MkdirAll(n.records(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep the record of CNI attachments: %w", err)
	}
	left, err := n.Recorded()
	if err != nil {
		return nil, err
	}
	for _, a := range left {
		if err := a.Del(ctx, nil); err != nil {
			c.Log.Error("an attachment of an earlier emperor cannot be removed", "network", a.Network, "vassal", a.Vassal, "error", err)
		}
	}
	return n, n.collectUnused(ctx)
}

// Request is one generation of a vassal that is to be attached.
type Request struct {
	// Network is the name in a configuration.
	Network string
	// Emperor is the id of the emperor, and Vassal the vassal's name: they name the attachment.
	Emperor, Vassal string
	// Interface is the name of the interface inside.
	Interface string
	// Netns is the network namespace. The caller closes it.
	Netns *os.File
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
}

// record is what an attachment needs for its removal, also by the next emperor. It is written
// before the first plugin runs.
type record struct {
	Vassal       string          `json:"vassal"`
	ID           string          `json:"id"`
	Interface    string          `json:"interface"`
	Capabilities map[string]any  `json:"capabilities,omitempty"`
	Config       json.RawMessage `json:"config"`
}

// Add attaches a vassal. After an error nothing is left of the attempt, or it is recorded.
func (n *Networks) Add(ctx context.Context, r Request) (*Attachment, error) {
	list, err := n.load(r.Network)
	if err == nil {
		err = capable(list, r.Capabilities)
	}
	if err == nil {
		err = isNetwork(r.Netns)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(r.Vassal))
	a := &Attachment{Network: r.Network, Vassal: r.Vassal, networks: n, record: record{
		Vassal: r.Vassal, ID: "emperor-" + r.Emperor + "-" + hex.EncodeToString(sum[:8]), Interface: r.Interface, Capabilities: r.Capabilities, Config: list.Bytes,
	}}
	if err := a.keep(); err != nil {
		return nil, err
	}
	result, err := n.lib.AddNetworkList(withNetns(ctx, r.Netns), list, a.runtime(true))
	if err == nil {
		err = a.take(result)
	}
	if err != nil {
		// The time of the failed attempt may be over.
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		return nil, fmt.Errorf("cannot attach it to the CNI network %q: %w", r.Network, errors.Join(said(ctx, err), a.Del(again, r.Netns)))
	}
	return a, nil
}

// undoTime limits the removal of a failed attachment.
const undoTime = 10 * time.Second

// said returns the reason of a cancelled context in place of a killed plugin.
func said(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// Check asks the plugins whether the attachment is as they made it.
func (a *Attachment) Check(ctx context.Context, netns *os.File) error {
	list, err := libcni.NetworkConfFromBytes(a.record.Config)
	if err == nil {
		err = a.networks.lib.CheckNetworkList(withNetns(ctx, netns), list, a.runtime(true))
	}
	if err != nil {
		return fmt.Errorf("the CNI network %q reports: %w", a.Network, err)
	}
	return nil
}

// Del removes the attachment. Nil: its network namespace does not exist any more. After an error
// the record stays.
func (a *Attachment) Del(ctx context.Context, netns *os.File) error {
	list, err := libcni.NetworkConfFromBytes(a.record.Config)
	if err == nil {
		err = a.networks.lib.DelNetworkList(withNetns(ctx, netns), list, a.runtime(netns != nil))
	}
	if err == nil {
		err = os.Remove(a.file())
	}
	if err != nil {
		return fmt.Errorf("cannot detach it from the CNI network %q: %w", a.Network, err)
	}
	return nil
}

// runtime returns the parameters of the plugins.
func (a *Attachment) runtime(inside bool) *libcni.RuntimeConf {
	r := &libcni.RuntimeConf{ContainerID: a.record.ID, IfName: a.record.Interface, CapabilityArgs: a.record.Capabilities}
	if inside {
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
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be a CNI network (letters, digits, dots, hyphens and underscores)", name)
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

// validName matches the names of CNI networks (SPEC.md, network configuration format).
var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

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

// collectUnused lets plugins remove what no attachment uses, in networks whose configuration says
// that it is for this emperor alone ("disableGC": false): of the attachments of other programs
// the emperor knows nothing.
func (n *Networks) collectUnused(ctx context.Context) error {
	for _, dir := range n.config.ConfDirs {
		files, err := libcni.ConfFiles(dir, []string{".conf", ".conflist", ".json"})
		if err != nil {
			return fmt.Errorf("cannot read CNI networks: %w", err)
		}
		for _, file := range files {
			list, err := libcni.NetworkConfFromFile(file)
			if err != nil || !ours(list.Bytes) {
				continue
			}
			if err := n.lib.GCNetworkList(ctx, list, &libcni.GCArgs{}); err != nil {
				n.config.Log.Warn("a CNI network cannot be cleaned up", "file", filepath.Base(file), "error", err)
			}
		}
	}
	return nil
}

func ours(config []byte) bool {
	var c struct {
		DisableGC *bool `json:"disableGC"`
	}
	return json.Unmarshal(config, &c) == nil && c.DisableGC != nil && !*c.DisableGC
}
