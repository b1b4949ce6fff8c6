package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// guards are the rules at the host's ends of links that packets meet first: against forged packets
// at the ports of bridges, where packets do not pass the policy, and against packets beyond a rate.
// Each link has a chain of its own, which ends with the link.
type guards struct {
	mu      sync.Mutex
	table   *nftables.Table
	ports   map[string]guard // by interface
	spoofed uint64           // packets of links that are gone
	// send sends queued changes. Tests inject failures. Nil: Flush.
	send func(*nftables.Conn) error
}

func (g *guards) flush(c *nftables.Conn) error {
	if g.send != nil {
		return g.send(c)
	}
	return c.Flush()
}

// guard is the identity of a vassal behind a port of a bridge, and its rate. Without addresses only
// the hardware address is known, and without that the vassal is on no bridge.
type guard struct {
	mac       net.HardwareAddr
	addresses []netip.Addr
	rate      uint64 // bits per second from the vassal; zero: any
}

// guardTable returns the table of an emperor.
func (id ID) guardTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyNetdev, Name: id.Table()}
}

// put guards a port.
func (g *guards) put(port string, who guard) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ports[port] = who // also after an error: the kernel's answer may be lost
	return g.install(map[string]guard{port: who})
}

// limit sets the rate of a link. Zero: it has none.
func (g *guards) limit(port string, rate uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := g.ports[port]
	if who.rate = rate; rate == 0 && who.mac == nil {
		return g.drop(port)
	}
	g.ports[port] = who
	return g.install(map[string]guard{port: who})
}

// concerns reports whether a program has deleted the table or a part of it, but for the chains of
// ports that are gone. No deletions: they are not known.
func (g *guards) concerns(gone []deletion) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return gone == nil || slices.ContainsFunc(gone, func(d deletion) bool {
		_, guarded := g.ports[d.chain]
		return d.of(g.table) && (d.chain == "" || guarded)
	})
}

// repair guards the ports again whose chains are not complete. made: there were some.
func (g *guards) repair() (made bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.ports) == 0 {
		return false, nil
	}
	bare, err := g.bare()
	if err != nil || len(bare) == 0 {
		return false, err
	}
	return true, g.install(bare)
}

// bare returns the ports whose guard is not complete. A link that is gone needs none.
func (g *guards) bare() (map[string]guard, error) {
	c, err := openNft()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return nil, err
	}
	defer n.Close()
	bare := map[string]guard{}
	for port, who := range g.ports {
		if rules, err := c.rules(g.table, port); err == nil && len(rules) == len(who.rules()) {
			continue
		}
		if _, err := n.LinkNamed(port); !errors.Is(err, errNoLink) {
			bare[port] = who
		}
	}
	return bare, nil
}

func (g *guards) install(ports map[string]guard) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	c.AddTable(g.table)
	for port, who := range ports {
		chain := c.AddChain(&nftables.Chain{
			Table: g.table, Name: port, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityFilter, Device: port,
		})
		c.FlushChain(chain)
		for _, r := range who.rules() {
			c.AddRule(&nftables.Rule{Table: g.table, Chain: chain, Exprs: r})
		}
	}
	if err := g.flush(c); err != nil {
		return explained("cannot guard a link (nftables)", err)
	}
	return nil
}

// remove deletes the chain of a link that is about to be deleted. The kernel may have done so, with
// the link.
func (g *guards) remove(port string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.drop(port)
}

func (g *guards) drop(port string) error {
	if _, guarded := g.ports[port]; !guarded {
		return nil
	}
	spoofed := g.count(port)
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	c.DelChain(&nftables.Chain{Table: g.table, Name: port})
	if err := g.flush(c); err != nil && !errors.Is(err, unix.ENOENT) {
		return explained("cannot remove the guard of a link", err)
	}
	g.spoofed += spoofed
	delete(g.ports, port)
	return nil
}

// spoofedBy returns the number of forged packets of a link since its guard was set. Of no link: of
// all, also of links that are gone.
func (g *guards) spoofedBy(port string) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if port != "" {
		return g.count(port)
	}
	n := g.spoofed
	for port := range g.ports {
		n += g.count(port)
	}
	return n
}

// count adds the counters of a chain up. A chain that cannot be read has counted nothing.
func (g *guards) count(port string) (n uint64) {
	if g.ports[port].mac == nil {
		return 0
	}
	c, err := openNft()
	if err != nil {
		return 0
	}
	defer func() { _ = c.CloseLasting() }()
	rules, _ := c.rules(g.table, port)
	for _, r := range rules {
		for _, e := range r.Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				n += counter.Packets
			}
		}
	}
	return n
}

// close removes the table, if there is one.
func (g *guards) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.table == nil {
		return nil
	}
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	c.AddTable(g.table) // so that there is one to delete
	c.DelTable(g.table)
	return explained("cannot remove the guards of bridges", c.Flush())
}

// The types of frames and packets that a guard distinguishes.
const (
	frame8021Q      = unix.ETH_P_8021Q
	advertiseRouter = 134
	advertiseNode   = 136
	serverPort4     = 67  // DHCP
	serverPort6     = 547 // DHCPv6
)

// rules returns the rules of a link.
func (g guard) rules() (rules []rule) {
	if g.mac != nil {
		for _, r := range g.forgeries() {
			rules = append(rules, when(r, countHere(), drop))
		}
	}
	if g.rate > 0 {
		rules = append(rules, when(faster(g.rate/8), drop))
	}
	return rules
}

// burst is the number of bytes that may pass at once, beside the bytes of a second (nft_limit_init of
// net/netfilter/nft_limit.c): a few of the largest packets.
const burst = 256 << 10

// forgeries selects forbidden traffic of a vassal on a bridge: frames with another hardware address,
// or to another VLAN; packets with the address of others, and answers that claim it; the words of a
// router or of a DHCP server.
func (g guard) forgeries() []rule {
	rules := []rule{
		when(linkLayer(6, 6), rule{differs(g.mac)}),
		frame(frame8021Q),
		when(frame(unix.ETH_P_ARP), network(8, 6), rule{differs(g.mac)}),
		when(families[0].frame(), carries(unix.IPPROTO_UDP), transport(0, 2), rule{equal(bigEndian(serverPort4))}),
		when(families[1].frame(), carries(unix.IPPROTO_UDP), transport(0, 2), rule{equal(bigEndian(serverPort6))}),
		when(families[1].frame(), carries(unix.IPPROTO_ICMPV6), icmpType(advertiseRouter)),
	}
	if len(g.addresses) == 0 {
		return rules
	}
	own4 := own(g.addresses, netip.Addr.Is4)
	if len(own4) == 0 {
		rules = append(rules, families[0].frame(), frame(unix.ETH_P_ARP))
	}
	for _, a := range own4 {
		rules = append(rules,
			when(families[0].frame(), network(families[0].source, 4), rule{differs(a.AsSlice())}),
			when(frame(unix.ETH_P_ARP), network(14, 4), rule{differs(a.AsSlice())}))
	}
	// The kernel asks for the address itself, and uses a link-local one for neighbours.
	own6 := append(own(g.addresses, netip.Addr.Is6), linkLocal(g.mac), netip.IPv6Unspecified())
	return append(rules,
		when(families[1].frame(), noneOf(network(families[1].source, 16), own6)),
		when(families[1].frame(), carries(unix.IPPROTO_ICMPV6), icmpType(advertiseNode), noneOf(transport(8, 16), own6)))
}

func own(addresses []netip.Addr, family func(netip.Addr) bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return !family(a) })
}

// linkLocal returns the address that the kernel derives from a hardware address (RFC 4291,
// appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
}

// noneOf: FIELD != { ADDRESSES }.
func noneOf(field rule, addresses []netip.Addr) rule {
	for _, a := range addresses {
		field = append(field, differs(a.AsSlice()))
	}
	return field
}

// frame: ether type TYPE.
func frame(kind uint16) rule {
	return rule{&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: register}, equal(bigEndian(kind))}
}

// frame: ether type ip, or ip6.
func (f ipFamily) frame() rule {
	if f.length == 4 {
		return frame(unix.ETH_P_IP)
	}
	return frame(unix.ETH_P_IPV6)
}

// linkLayer, network and transport load a part of the packet.
func linkLayer(offset, length uint32) rule { return load(expr.PayloadBaseLLHeader, offset, length) }

func network(offset, length uint32) rule {
	return load(expr.PayloadBaseNetworkHeader, offset, length)
}

func transport(offset, length uint32) rule {
	return load(expr.PayloadBaseTransportHeader, offset, length)
}

func load(base expr.PayloadBase, offset, length uint32) rule {
	return rule{&expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}}
}
