package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// ports are the published ports of all vassals. Each one is bound on the host, by a socket that
// does not listen: no server of the host can take it, and none that has it loses its clients.
type ports struct {
	mu   sync.Mutex
	held map[portKey]*heldPort
}

// portKey is one port of the host.
type portKey struct {
	address  netip.Addr // invalid: all
	port     uint16
	protocol spec.Protocol
}

// String returns the port in the spelling of network-publish.
func (k portKey) String() string {
	return spec.Ports{Address: k.address, First: k.port, Last: k.port, Protocol: k.protocol}.String()
}

type heldPort struct {
	vassal  string
	sockets []*os.File
}

func (h *heldPort) close() {
	for _, f := range h.sockets {
		f.Close()
	}
}

func keysOf(published []spec.Publication) (keys []portKey) {
	for _, p := range published {
		for i := range p.Last - p.First + 1 {
			keys = append(keys, portKey{p.Address, p.First + i, p.Protocol})
		}
	}
	return keys
}

// hold takes the ports of a vassal that it does not have yet, all or none of them.
func (p *ports) hold(vassal string, published []spec.Publication) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var made []portKey
	defer func() {
		if err != nil {
			p.drop(made)
		}
	}()
	for _, k := range keysOf(published) {
		switch h := p.held[k]; {
		case h == nil:
		case h.vassal == vassal:
			continue
		default:
			return fmt.Errorf("cannot publish port %s: vassal %q has published it (network-publish = another port)", k, h.vassal)
		}
		sockets, err := bindPort(k)
		if err != nil {
			return p.refused(k, err)
		}
		p.held[k] = &heldPort{vassal, sockets}
		made = append(made, k)
	}
	return nil
}

// refused explains why a port cannot be bound.
func (p *ports) refused(k portKey, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		for other, h := range p.held {
			if other.port == k.port && other.protocol == k.protocol {
				return fmt.Errorf("cannot publish port %s: vassal %q has published it (network-publish = another port)", k, h.vassal)
			}
		}
		return fmt.Errorf("cannot publish port %s: a program of the host has it: %w (network-publish = another port, or ss -lntup to find the program)", k, err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("cannot publish port %s: the host has no such address: %w", k, err)
	}
	return fmt.Errorf("cannot publish port %s: %w", k, err)
}

// release gives up the ports of a vassal that it does not publish any more.
func (p *ports) release(vassal string, except []spec.Publication) {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := map[portKey]bool{}
	for _, k := range keysOf(except) {
		keep[k] = true
	}
	var gone []portKey
	for k, h := range p.held {
		if h.vassal == vassal && !keep[k] {
			gone = append(gone, k)
		}
	}
	p.drop(gone)
}

func (p *ports) drop(keys []portKey) {
	for _, k := range keys {
		p.held[k].close()
		delete(p.held, k)
	}
}

// bindPort binds a port, in both families unless it has an address. A family that the kernel
// does not have is left out.
func bindPort(k portKey) (sockets []*os.File, err error) {
	kind := unix.SOCK_STREAM
	if k.protocol == spec.UDP {
		kind = unix.SOCK_DGRAM
	}
	yes, addresses := true, []netip.Addr{k.address}
	if !k.address.IsValid() {
		addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, a := range addresses {
		f, err := address.Bind(netip.AddrPortFrom(a, k.port), kind, address.Options{V6Only: &yes}) // it never listens
		if !k.address.IsValid() && (errors.Is(err, unix.EAFNOSUPPORT) || a.Is6() && errors.Is(err, unix.EADDRNOTAVAIL)) {
			continue
		}
		if err != nil {
			(&heldPort{sockets: sockets}).close()
			return nil, err
		}
		sockets = append(sockets, f)
	}
	return sockets, nil
}
