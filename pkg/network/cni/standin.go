package cni

import (
	"errors"
	"fmt"
	"net"
	"runtime"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
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
	link, err := netlink.LinkByName(a.record.Interface)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		link = &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a.record.Interface}, PeerName: "other-end"}
		err = netlink.LinkAdd(link)
	}
	if err != nil {
		return fmt.Errorf("cannot restore its interface: %w", err)
	}
	for _, ip := range result.IPs {
		at := net.IPNet{IP: ip.Address.IP, Mask: ip.Address.Mask}
		if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: &at}); err != nil {
			return fmt.Errorf("cannot restore its address: %w", err)
		}
	}
	return nil
}
