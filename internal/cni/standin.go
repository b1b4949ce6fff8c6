package cni

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// restore makes the interface as the plugins have left it, because they find by its addresses what they
// have to remove on the host, such as the masquerading of the plugin bridge: the vassal may have changed
// it. Where the network namespace has ended with the vassal and ns is None, ns becomes another one that
// stands in for it; the caller closes it. An attachment that was never complete is left as it is.
func (a *Attachment) restore(list *libcni.NetworkConfigList, ns *netns.NsHandle) error {
	cached, err := a.networks.lib(a.record.PluginDirs).GetNetworkListCachedResult(list, a.runtime(*ns))
	if err != nil || cached == nil {
		return nil //nolint:nilerr // the plugins remove most without it
	}
	result, err := types.GetResult(cached)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		done <- a.restoreHere(result, ns)
	}()
	return <-done
}

// restoreHere moves its thread into the network namespace.
func (a *Attachment) restoreHere(result *types.Result, ns *netns.NsHandle) (err error) {
	if ns.IsOpen() {
		err = netns.Set(*ns)
	} else if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
		*ns, err = namespaces.CurrentNetwork()
	}
	if err != nil {
		return fmt.Errorf("cannot enter its network: %w", err)
	}
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return fmt.Errorf("cannot restore its interface: %w", err)
	}
	defer n.Close()
	facts, err := n.LinkNamed(a.record.Interface)
	if errors.Is(err, unix.ENODEV) {
		facts.Index, err = n.AddVeth(namespaces.VethPair{
			Host: a.record.Interface, Peer: "other-end", Netns: *ns, HostMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, PeerMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		})
		if err == nil {
			err = n.Apply(facts.Index.Up())
		}
	}
	if err != nil {
		return fmt.Errorf("cannot restore its interface: %w", err)
	}
	for _, ip := range result.IPs {
		at, err := netip.ParsePrefix(ip.Address.String())
		if err == nil {
			err = n.Apply(facts.Index.Address(at))
		}
		if err != nil {
			return fmt.Errorf("cannot restore its address: %w", err)
		}
	}
	return nil
}
