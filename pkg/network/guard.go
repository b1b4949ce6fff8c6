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

// guards are the rules against forged packets at the ports of bridges, where packets do not pass
// the policy. Each port has a chain of its own, which ends with the port.
type guards struct {
	mu    sync.Mutex
	table *nftables.Table
	ports map[string]guard // by interface
}

// guard is the identity of a vassal behind a port. Without addresses only the hardware address
// is known.
type guard struct {
	mac       net.HardwareAddr
	addresses []netip.Addr
}

// guardTable returns the table of an emperor.
func (id ID) guardTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyNetdev, Name: id.Table()}
}

// put guards a port.
func (g *guards) put(port string, who guard) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.install(map[string]guard{port: who}); err != nil {
		return err
	}
	g.ports[port] = who
	return nil
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
		if rules, err := c.count(g.table, port); err == nil && rules == len(who.rules()) {
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
	if err := c.Flush(); err != nil {
		return explained("cannot guard a port of the bridge against forged packets (nftables)", err)
	}
	return nil
}

// remove deletes the chain of a port that is about to be deleted. The kernel may have done so, with
// the link.
func (g *guards) remove(port string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, guarded := g.ports[port]; !guarded {
		return nil
	}
	delete(g.ports, port)
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("cannot open nftables: %w", err)
	}
	c.DelChain(&nftables.Chain{Table: g.table, Name: port})
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return explained("cannot remove the guard of a port of the bridge", err)
	}
	return nil
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

// The types of frames and packets that a guard tells apart.
const (
	frame8021Q      = unix.ETH_P_8021Q
	advertiseRouter = 134
	advertiseNode   = 136
	serverPort4     = 67  // DHCP
	serverPort6     = 547 // DHCPv6
)

// rules drops what a vassal must not send: frames with another hardware address, or to another
// VLAN; packets with the address of others, and answers that claim it; the words of a router or
// of a DHCP server.
func (g guard) rules() []rule {
	rules := []rule{
		when(linkLayer(6, 6), rule{differs(g.mac)}, drop),
		when(frame(frame8021Q), drop),
		when(frame(unix.ETH_P_ARP), network(8, 6), rule{differs(g.mac)}, drop),
		when(families[0].frame(), carries(unix.IPPROTO_UDP), transport(0, 2), rule{equal(bigEndian(serverPort4))}, drop),
		when(families[1].frame(), carries(unix.IPPROTO_UDP), transport(0, 2), rule{equal(bigEndian(serverPort6))}, drop),
		when(families[1].frame(), carries(unix.IPPROTO_ICMPV6), icmpType(advertiseRouter), drop),
	}
	if len(g.addresses) == 0 {
		return rules
	}
	own4 := own(g.addresses, netip.Addr.Is4)
	if len(own4) == 0 {
		rules = append(rules, when(families[0].frame(), drop), when(frame(unix.ETH_P_ARP), drop))
	}
	for _, a := range own4 {
		rules = append(rules,
			when(families[0].frame(), network(families[0].source, 4), rule{differs(a.AsSlice())}, drop),
			when(frame(unix.ETH_P_ARP), network(14, 4), rule{differs(a.AsSlice())}, drop))
	}
	// The kernel asks for the address itself, and uses a link-local one for neighbours.
	own6 := append(own(g.addresses, netip.Addr.Is6), linkLocal(g.mac), netip.IPv6Unspecified())
	rules = append(rules, when(families[1].frame(), noneOf(network(families[1].source, 16), own6), drop))
	rules = append(rules, when(families[1].frame(), carries(unix.IPPROTO_ICMPV6), icmpType(advertiseNode), noneOf(transport(8, 16), own6), drop))
	return rules
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
