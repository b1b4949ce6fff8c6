package network

import (
	"errors"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// trial is the result of trying on a host all that an emperor does there. Nil: it succeeds.
type trial struct {
	// enter a network namespace, change a link there, and set the policy.
	enter, change, policy error
	// kinds of links that cannot be made.
	kinds map[spec.Kind]error
	// ipv6: interfaces can have addresses of IPv6.
	ipv6 bool
	// answer at port 53 of an address that no program has by itself.
	answer error
	// drops are chains of other programs that drop packets of vassals.
	drops []foreignDrop
	// place are networks and settings of the host that the start refuses.
	place []Lack
}

// try tries all that vassals need. Nothing is left of it.
func try(n Needs) trial {
	t := trial{kinds: map[spec.Kind]error{}, ipv6: hasIPv6(), drops: foreignDrops(n.BridgeName, n.Answers || n.ToHost)}
	t.place = n.place(t.ipv6)
	if n.Answers {
		t.answer = tryPort53()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread and its namespace end with the goroutine
		if t.enter = os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET)); t.enter == nil {
			t.inScratch(n.Kinds)
		}
	}()
	<-done
	return t
}

// inScratch tries links and the policy in the network namespace of the calling thread.
func (t *trial) inScratch(kinds []spec.Kind) {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		t.change = err
		return
	}
	defer n.Close()
	if t.change = n.Apply(loopback.Up()); t.change != nil {
		return
	}
	if t.policy = tryPolicy(); t.policy != nil && refused(t.policy) {
		t.change = t.policy
		return
	}
	here, err := namespaces.CurrentNetwork()
	if err != nil {
		t.change = err
		return
	}
	defer here.Close()
	mac := func(of string) []byte { return derivedMAC("trial", of) }
	parent, veth := n.AddVeth(namespaces.VethPair{Host: "trial0", Peer: "trial1", HostMAC: mac("0"), PeerMAC: mac("1"), Netns: here})
	for _, kind := range kinds {
		err := veth
		switch {
		case kind == spec.None, kind == spec.CNI, kind == spec.Join:
			continue // other programs make the link, or there is none
		case err != nil, kind == spec.Routed:
		case kind == spec.Bridge:
			_, err = n.AddBridge(namespaces.Bridge{Name: "trial2", MAC: mac("2")})
		default:
			err = n.AddSublink(namespaces.Sublink{Kind: string(kind), Parent: parent, Name: "trial-" + string(kind), MAC: mac(string(kind)), Netns: here})
		}
		t.kinds[kind] = err
	}
}

// tryPolicy sets a policy of both families, with everything that one can contain.
func tryPolicy() error {
	p := Policy{Group: groupMark, NAT: [2]bool{true, true}, Guarded: []string{"lo"}, Names: []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}}
	for _, prefix := range []string{"192.0.2.0/24", "2001:db8::/64"} {
		p.Pool = append(p.Pool, netip.MustParsePrefix(prefix))
	}
	table, err := OpenTable("000000000000", p)
	if err != nil {
		return err
	}
	return table.Close()
}

// tryPort53 binds the port of nameservers at addresses that no host has (RFC 5737, RFC 3849): only a
// program that has the port of all addresses is in the way, and no responder of an emperor.
func tryPort53() error {
	for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
		for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
			f, err := address.Bind(netip.AddrPortFrom(netip.MustParseAddr(a), 53), kind, address.Options{FreeBind: true})
			if err == nil {
				f.Close()
			} else if call := new(os.SyscallError); errors.As(err, &call) && call.Syscall == "bind" { // not of a host without IPv6, or before Linux 4.15
				return err
			}
		}
	}
	return nil
}
