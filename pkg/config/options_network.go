package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Networking has the emperor's options of the built-in network.
type Networking struct {
	// Mode of vassals that do not choose a mode. Zero: the built-in network is off.
	Mode spec.Mode
	// Modes are further modes that a tenant's file may choose.
	Modes []spec.Mode
	// Pool has the addresses of vassals. Nil: chosen automatically.
	Pool []netip.Prefix
	// Uplinks are the interfaces to other hosts. Nil: the interfaces of the default routes.
	Uplinks []string
	// NAT selects the addresses that are masqueraded.
	NAT spec.NAT
	// CheckForwarding prevents the emperor from changing the host's forwarding.
	CheckForwarding bool
	// Between permits traffic between vassals. ToHost lists the ports of the host that vassals
	// may reach.
	Between bool
	ToHost  spec.Reach
	// Publish are the ports that tenants may publish.
	Publish []spec.Ports
	// Limit is the default rate of each vassal. Zero: no limit.
	Limit spec.Rate
	// Bridge is the default bridge of vassals in the mode bridge.
	Bridge spec.SharedBridge
	// MTU of the links, in bytes. Zero: the smallest MTU of the uplinks.
	MTU int
	// CNIConf and CNIPlugins are the directories of CNI networks and their plugins. Nil: the
	// usual ones.
	CNIConf, CNIPlugins []string
	// DNS is the default way in which vassals resolve names. Empty: auto.
	DNS spec.DNS
	// Timeout limits one change of the network.
	Timeout time.Duration
}

// networkOptions configure the built-in network.
var networkOptions = option.Rows[Emperor]{
	{
		Name: "emperor-network", Group: "Network", Arg: "MODE", Def: "none",
		Help: "connect vassals that do not choose a mode: routed (a link and an address each), bridge, bridge:NAME, macvlan:INTERFACE, " +
			"ipvlan:INTERFACE, cni:NETWORK, or none (by hooks)", Set: setEmperorNetwork,
	},
	{Name: "emperor-network-between", Group: "Network", Arg: "deny|allow", Def: "deny", Help: "whether vassals reach each other", Set: setBetween},
	{
		Name: "emperor-network-bridge", Group: "Network", Arg: "NAME [PREFIX…]",
		Help: "bridge of vassals with network = bridge, made if it is not there, with the addresses of its vassals", Set: setBridge,
	},
	{
		Name: "emperor-network-cni-conf", Group: "Network", Arg: "DIR", Repeat: true, Def: "/etc/cni/net.d",
		Help: "directory of the configurations for network = cni:NETWORK",
		Set:  func(e *Emperor, v option.Value) error { return addDirectory(&e.Network.CNIConf, v) },
	},
	{
		Name: "emperor-network-cni-path", Group: "Network", Arg: "DIR", Repeat: true, Def: "/opt/cni/bin, /usr/lib/cni, /usr/libexec/cni",
		Help: "directory of CNI plugins, which run as root", Set: func(e *Emperor, v option.Value) error { return addDirectory(&e.Network.CNIPlugins, v) },
	},
	{
		Name: "emperor-network-dns", Group: "Network", Arg: "auto|off|names|forward", Def: "auto",
		Help: "how vassals resolve names: by the host's nameservers (auto), its files (off), or with names of vassals, and the host's nameservers " +
			"(names) or the emperor (forward) for others", Set: func(e *Emperor, v option.Value) error { return setDNS(&e.Network.DNS, v) },
	},
	{
		Name: "emperor-network-forwarding", Group: "Network", Arg: "set|check", Def: "set",
		Help: "switch the host's forwarding on for links of vassals and uplinks, or refuse to start without it", Set: setForwarding,
	},
	{
		Name: "emperor-network-limit", Group: "Network", Arg: "DOWN[/UP]", Help: "rate of each vassal, such as 40mbit/10mbit",
		Set: func(e *Emperor, v option.Value) error { return setRate(&e.Network.Limit, v) },
	},
	{
		Name: "emperor-network-modes", Group: "Network", Arg: "LIST", Def: "the one of emperor-network",
		Help: "modes that a tenant's file may choose; join: the network of another vassal of the same user", Set: setModes,
	},
	{
		Name: "emperor-network-mtu", Group: "Network", Arg: "BYTES", Def: "smallest of the uplinks", Help: "MTU of the links of vassals",
		Set: func(e *Emperor, v option.Value) error { return setMTU(&e.Network.MTU, v) },
	},
	{Name: "emperor-network-nat", Group: "Network", Arg: "on|off|4|6", Def: "private addresses", Help: "masquerade vassals towards other hosts", Set: setNAT},
	{
		Name: "emperor-network-pool", Group: "Network", Arg: "PREFIX", Repeat: true, Def: "private, unused",
		Help: "addresses of vassals, one prefix of each family", Set: setPool,
	},
	{
		Name: "emperor-network-publish", Group: "Network", Arg: "PORT[-PORT][/PROTO]", Repeat: true,
		Help: "ports of the host that tenants may publish, of all its addresses or as ADDRESS:PORT of one", Set: setPublishable,
	},
	{
		Name: "emperor-network-timeout", Group: "Network", Arg: "TIME", Def: "10", Help: "how long one change of the network may take",
		Into: func(e *Emperor) option.Field { return (*option.Positive)(&e.Network.Timeout) },
	},
	{
		Name: "emperor-network-to-host", Group: "Network", Arg: "deny|allow|PORT[/PROTO],…", Def: "deny",
		Help: "parts of the host that vassals reach; ping always", Set: setToHost,
	},
	{
		Name: "emperor-network-uplink", Group: "Network", Arg: "INTERFACE", Repeat: true, Def: "of the default routes",
		Help: "interface to other hosts", Set: setUplink,
	},
}

// vassalNetworkOptions configure the network of one vassal.
var vassalNetworkOptions = option.Rows[Vassal]{
	{
		Name: "network", Group: "Network", Arg: "MODE", Def: "emperor-network", Tyrant: true, Early: true,
		Help: "how the emperor connects the vassal: routed, bridge, bridge:NAME, macvlan:INTERFACE, ipvlan:INTERFACE, cni:NETWORK, join:VASSAL " +
			"(its network) or none", Set: setNetwork,
	},
	{
		Name: "network-address", Group: "Network", Arg: "ADDRESS", Def: "from the pool", Repeat: true,
		Help: "address of the vassal, one of each family", Set: setAddress,
	},
	{
		Name: "network-allow", Group: "Network", Arg: "VASSAL|PREFIX[:PORT[/PROTO]]", Repeat: true, Tyrant: true, Early: true,
		Change: option.Live, Help: "clients that may reach the vassal: another vassal, or addresses", Set: setAllow,
	},
	{
		Name: "network-dns", Group: "Network", Arg: "auto|off|names|forward", Def: "emperor-network-dns", Tyrant: true, Early: true,
		Help: "how the vassal resolves names", Set: func(v *Vassal, t option.Value) error { return setDNS(&v.Network.DNS, t) },
	},
	{
		Name: "network-interface", Group: "Network", Arg: "NAME", Def: "eth0", Tyrant: true, Early: true, Help: "name of the vassal's interface",
		Set: setInterfaceName,
	},
	{
		Name: "network-limit", Group: "Network", Arg: "DOWN[/UP]", Def: "emperor-network-limit", Tyrant: true, Early: true, Change: option.Live,
		Help: "rate of the vassal, such as 40mbit/10mbit; in a tenant's file at most the emperor's", Set: setOwnRate,
	},
	{
		Name: "network-lost", Group: "Network", Arg: "report|restart", Def: "report", Tyrant: true, Early: true,
		Help: "when another program deletes the vassal's link or sets it down, also one that a hook has made: report it, or start the vassal again", Set: setLost,
	},
	{Name: "network-mac", Group: "Network", Arg: "MAC", Def: "derived from the name", Help: "hardware address of the vassal's interface", Set: setMAC},
	{
		Name: "network-mtu", Group: "Network", Arg: "BYTES", Def: "emperor-network-mtu", Tyrant: true, Early: true,
		Help: "MTU of the vassal's interface; in a tenant's file at most the emperor's", Set: setOwnMTU,
	},
	{
		Name: "network-publish", Group: "Network", Arg: "PORT[-PORT][:VASSALPORT][/PROTO]", Repeat: true, Tyrant: true, Early: true,
		Change: option.Live, Help: "ports of the host that lead to the vassal, of all its addresses or as ADDRESS:PORT of one; in a tenant's file " +
			"within emperor-network-publish", Set: setPublish,
	},
	{Name: "network-route", Group: "Network", Arg: "PREFIX", Repeat: true, Help: "a further prefix that leads to the vassal", Set: setRoute},
}

// mistaken returns the mistake that an error of package spec describes.
func mistaken(err error, hint string) error {
	if err == nil {
		return nil
	}
	return option.Wrong(err.Error(), hint)
}

func setEmperorNetwork(e *Emperor, v option.Value) (err error) {
	e.Network.Mode, err = spec.ParseMode(v.Text)
	return mistaken(err, "emperor-network = routed")
}

func setNetwork(v *Vassal, t option.Value) (err error) {
	v.Network.Mode, err = spec.ParseMode(t.Text)
	return mistaken(err, "network = routed")
}

// put parses the value of an option that is given once.
func put[T any](into *T, parse func(string) (T, error), text, hint string) (err error) {
	*into, err = parse(text)
	return mistaken(err, hint)
}

// add parses the value of an option that may be repeated, and appends it.
func add[T any](list *[]T, parse func(string) (T, error), text, hint string) error {
	one, err := parse(text)
	if err == nil {
		*list = append(*list, one)
	}
	return mistaken(err, hint)
}

// either parses one of two words: no for false and yes for true. kind names them in the error.
func either(into *bool, text, kind, no, yes string) error {
	if text != no && text != yes {
		return option.Unknown(kind, text, no, yes)
	}
	*into = text == yes
	return nil
}

func setModes(e *Emperor, v option.Value) error {
	e.Network.Modes = nil
	for word := range strings.FieldsFuncSeq(v.Text, func(r rune) bool { return r == ',' || r == ' ' }) {
		m, err := spec.ParsePermission(word)
		if err != nil {
			return mistaken(err, "such as routed,none")
		}
		e.Network.Modes = append(e.Network.Modes, m)
	}
	return nonempty(v.Text, "no modes given")
}

func setBetween(e *Emperor, v option.Value) error {
	return either(&e.Network.Between, v.Text, "policy", "deny", "allow")
}

func setForwarding(e *Emperor, v option.Value) error {
	return either(&e.Network.CheckForwarding, v.Text, "way", "set", "check")
}

func setNAT(e *Emperor, v option.Value) error {
	return put(&e.Network.NAT, spec.ParseNAT, v.Text, "on, off, 4 or 6")
}

func setPool(e *Emperor, v option.Value) error {
	p, err := netip.ParsePrefix(v.Text)
	if err != nil {
		return option.Wrong(fmt.Sprintf("%q is not a prefix", v.Text), "such as 10.142.0.0/19 or fd12:3456:789a::/64")
	}
	p = p.Masked()
	switch bits := p.Addr().BitLen(); {
	case p.Bits() > bits-2:
		return option.Wrong(fmt.Sprintf("%s has no room for a gateway and a vassal", p), fmt.Sprintf("at most /%d", bits-2))
	case p.Addr().IsMulticast() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() || p.Bits() == 0:
		return option.Wrong(fmt.Sprintf("%s has no addresses for vassals", p), "such as 10.142.0.0/19 or fd12:3456:789a::/64")
	case slices.ContainsFunc(e.Network.Pool, func(q netip.Prefix) bool { return q.Addr().Is4() == p.Addr().Is4() }):
		return option.Wrong("there is a prefix of that family already", "one larger prefix")
	}
	e.Network.Pool = append(e.Network.Pool, p)
	return nil
}

func setPublishable(e *Emperor, v option.Value) error {
	if p, err := spec.ParsePorts(v.Text); err == nil {
		if err := published(p); err != nil {
			return err
		}
	}
	return add(&e.Network.Publish, spec.ParsePorts, v.Text, "such as 8000-8999")
}

// published finds ports of an address at which no client can reach a vassal: packets to a loopback address do not
// leave the host.
func published(p spec.Ports) error {
	if p.Address.IsLoopback() {
		return option.Wrong(fmt.Sprintf("packets to the loopback address %s do not reach a vassal", p.Address),
			"no address, or one of another interface; programs of the host reach the vassal at its own address")
	}
	return nil
}

func setToHost(e *Emperor, v option.Value) error {
	return put(&e.Network.ToHost, spec.ParseReach, v.Text, "deny, allow, or ports such as 5432/tcp,53/udp")
}

func setUplink(e *Emperor, v option.Value) error {
	return add(&e.Network.Uplinks, spec.ParseInterface, v.Text, "such as eth0")
}

// setOwnRate sets the rate of a vassal. A tenant's own file can only lower it.
func setOwnRate(v *Vassal, t option.Value) error {
	was := v.Network.Limit
	err := setRate(&v.Network.Limit, t)
	if is := &v.Network.Limit; err == nil && t.Tenant && was != (spec.Rate{}) {
		is.Down, is.Up = min(is.Down, was.Down), min(is.Up, was.Up)
	}
	return err
}

// setOwnMTU does so for the MTU.
func setOwnMTU(v *Vassal, t option.Value) error {
	was := v.Network.MTU
	err := setMTU(&v.Network.MTU, t)
	if err == nil && t.Tenant && was > 0 {
		v.Network.MTU = min(v.Network.MTU, was)
	}
	return err
}

func setRate(into *spec.Rate, v option.Value) error {
	return put(into, spec.ParseRate, v.Text, "such as 40mbit/10mbit")
}

func setBridge(e *Emperor, v option.Value) error {
	return put(&e.Network.Bridge, spec.ParseBridge, v.Text, "such as br-vassals 10.143.0.0/24")
}

// addDirectory adds an absolute path: plugins run in another directory.
func addDirectory(into *[]string, v option.Value) error {
	if !filepath.IsAbs(v.Text) {
		return option.Wrong(fmt.Sprintf("%q is not an absolute path", v.Text), "such as /etc/cni/net.d")
	}
	*into = append(*into, v.Text)
	return nil
}

func setDNS(into *spec.DNS, v option.Value) error {
	return put(into, spec.ParseDNS, v.Text, "auto, off, names or forward")
}

func setMTU(into *int, v option.Value) error {
	n, err := strconv.Atoi(v.Text)
	if err == nil {
		n, err = spec.ParseMTU(n)
	}
	if err != nil {
		return option.Wrong(strconv.Quote(v.Text)+" is not an MTU", "1280 to 65535")
	}
	*into = n
	return nil
}

func setAddress(v *Vassal, t option.Value) error {
	a, err := netip.ParseAddr(t.Text)
	if err != nil || a.Zone() != "" || !a.IsGlobalUnicast() {
		return option.Wrong(fmt.Sprintf("%q is not an address of a vassal", t.Text), "such as 10.142.3.7, without a prefix length")
	}
	a = a.Unmap()
	if slices.ContainsFunc(v.Network.Addresses, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
		return option.Wrong("there is an address of that family already", "keep one")
	}
	v.Network.Addresses = append(v.Network.Addresses, a)
	return nil
}

func setAllow(v *Vassal, t option.Value) error {
	return add(&v.Network.Allow, spec.ParseAllowance, t.Text, "such as shop.ini:8080 or 192.0.2.0/24")
}

func setInterfaceName(v *Vassal, t option.Value) error {
	return put(&v.Network.Interface, spec.ParseInterface, t.Text, "at most 15 letters, such as eth0")
}

func setLost(v *Vassal, t option.Value) error {
	return either(&v.Network.RestartLost, t.Text, "reaction", "report", "restart")
}

func setMAC(v *Vassal, t option.Value) error {
	return put(&v.Network.MAC, spec.ParseMAC, t.Text, "such as 02:00:5e:10:00:01")
}

func setPublish(v *Vassal, t option.Value) error {
	p, err := spec.ParsePublication(t.Text)
	if err != nil {
		return mistaken(err, "such as 8001:8080")
	}
	if err := published(p.Ports); err != nil {
		return err
	}
	if i := slices.IndexFunc(v.Network.Publish, func(q spec.Publication) bool { return q.Overlaps(p.Ports) }); i >= 0 {
		return option.Wrong(fmt.Sprintf("%s is published already (%s)", p.Ports, v.Network.Publish[i]), "one line for each port")
	}
	v.Network.Publish = append(v.Network.Publish, p)
	return nil
}

func setRoute(v *Vassal, t option.Value) error {
	p, err := netip.ParsePrefix(t.Text)
	if err != nil || p.Bits() == 0 {
		return option.Wrong(fmt.Sprintf("%q is not a prefix", t.Text), "such as 192.0.2.8/29")
	}
	v.Network.Routes = append(v.Network.Routes, p.Masked())
	return nil
}
