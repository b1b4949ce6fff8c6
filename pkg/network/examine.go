package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Needs are the parts of a host that the vassals of an emperor use.
type Needs struct {
	// Kinds of their connections.
	Kinds []spec.Kind
	// Pool and Bridge are the prefixes of the options. Nil: chosen automatically, or none.
	Pool, Bridge []netip.Prefix
	// BridgeName is the bridge of the options. Empty: none.
	BridgeName string
	// Answers: the emperor answers names, at port 53 of its gateways. ToHost: vassals may reach ports of the host.
	Answers, ToHost bool
	// Dir has the records of an emperor that runs or was killed: the start takes its changes of the host back
	// first (Config.Dir).
	Dir string
	// Uplinks and CheckForwarding are the options of the same names (Config).
	Uplinks         []string
	CheckForwarding bool
}

// Lack is a part that a host does not have.
type Lack struct {
	// Key is the emperor's option that needs it.
	Key string
	// Kind: only vassals with this kind of connection need it. Empty: all vassals.
	Kind spec.Kind
	// What is missing, and Hint the remedy.
	What, Hint string
	// Partial: vassals start without it, and reach less.
	Partial bool
}

// Error returns both in one sentence.
func (l Lack) Error() string { return l.What + " (" + l.Hint + ")" }

// Examine lists the missing parts of this host. It changes nothing: links and rules are tried in a
// network namespace of their own.
func Examine(n Needs) []Lack { return try(n).lacks(n) }

// lacks judges the results of a trial.
func (t trial) lacks(n Needs) (list []Lack) {
	add := func(l Lack) { list = append(list, l) }
	switch {
	case refused(t.enter), refused(t.change):
		add(Lack{
			Key: keyMode, What: "this process may not configure networks",
			Hint: "an emperor that is root, without uid, and with CAP_NET_ADMIN and CAP_SYS_ADMIN",
		})
		return list
	case t.enter != nil:
		add(Lack{
			Key: keyMode, What: fmt.Sprintf("this host makes no network namespaces: %v", t.enter),
			Hint: "sysctl user.max_net_namespaces, and a kernel with CONFIG_NET_NS",
		})
		return list
	case t.change != nil:
		add(Lack{Key: keyMode, What: fmt.Sprintf("this host configures no links: %v", t.change), Hint: "a kernel with rtnetlink"})
		return list
	}
	if t.policy != nil {
		what := fmt.Sprintf("nftables of this kernel refuses the policy of vassals: %v", t.policy)
		if errors.Is(t.policy, unix.EPROTONOSUPPORT) {
			what = "this kernel has no nftables"
		}
		add(Lack{Key: keyMode, What: what, Hint: "modprobe nf_tables, or a kernel with nf_tables, its NAT, fib and reject expressions"})
	}
	for _, kind := range n.Kinds {
		switch err := t.kinds[kind]; {
		case errors.Is(err, unix.EOPNOTSUPP):
			add(Lack{
				Key: keyMode, Kind: kind, What: fmt.Sprintf("this kernel has no links of the kind %s", module(kind)),
				Hint: "modprobe " + string(module(kind)) + ", or another mode",
			})
		case err != nil:
			add(Lack{Key: keyMode, Kind: kind, What: fmt.Sprintf("this host makes no link for network = %s: %v", kind, err), Hint: "another mode"})
		}
	}
	for _, l := range []struct {
		key  string
		list []netip.Prefix
	}{{keyPool, n.Pool}, {keyBridge, n.Bridge}} {
		i := slices.IndexFunc(l.list, func(p netip.Prefix) bool { return p.Addr().Is6() })
		if i >= 0 && !t.ipv6 {
			add(Lack{Key: l.key, What: fmt.Sprintf("this host has no IPv6 for %s", l.list[i]), Hint: "sysctl -w net.ipv6.conf.all.disable_ipv6=0, or no prefix of IPv6"})
		}
	}
	list = append(list, t.place...)
	if n.Answers && errors.Is(t.answer, unix.EADDRINUSE) {
		add(Lack{
			Key: "emperor-network-dns", What: "another nameserver of this host has port 53 of all addresses",
			Hint: "bind it to its own addresses, or emperor-network-dns = off",
		})
	}
	for _, d := range t.drops {
		add(Lack{Key: keyMode, Partial: true, What: d.what(), Hint: d.hint(linksOfVassals(n.BridgeName))})
	}
	return list
}

// The options of which this package finds mistakes: the one that asks for the built-in network, and others.
const (
	keyMode       = "emperor-network"
	keyPool       = "emperor-network-pool"
	keyBridge     = "emperor-network-bridge"
	keyForwarding = "emperor-network-forwarding"
)

func refused(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

// module returns the kernel module of a kind.
func module(k spec.Kind) spec.Kind {
	if k == spec.Routed {
		return "veth"
	}
	return k
}
