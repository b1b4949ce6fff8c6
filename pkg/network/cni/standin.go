package cni

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// restore makes the interface as the plugins have left it, because they find by its addresses what they
// have to remove on the host, such as the masquerading of the plugin bridge: the vassal may have changed
// it. Where the network namespace has ended with the vassal, another one stands in for it. An
// attachment that was never complete is left as it is.
func (a *Attachment) restore(list *libcni.NetworkConfigList) error {
	cached, err := a.networks.lib(a.record.PluginDirs).GetNetworkListCachedResult(list, a.runtime())
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
		done <- a.restoreHere(result)
	}()
	return <-done
}

// restoreHere moves its thread into the network namespace.
func (a *Attachment) restoreHere(result *types.Result) (err error) {
	if a.netns != nil {
		err = unix.Setns(int(a.netns.Fd()), unix.CLONE_NEWNET)
	} else if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
		a.netns, err = os.Open("/proc/thread-self/ns/net")
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
