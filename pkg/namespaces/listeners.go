package namespaces

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
)

// Listener is a socket that receives connections, or datagrams.
type Listener struct {
	// At is its address and port. An unspecified address means all addresses.
	At netip.AddrPort
	// UDP: it receives datagrams.
	UDP bool
}

// maxListed limits the size of one list of sockets, in bytes: it belongs to a tenant.
const maxListed = 1 << 20

// ListenersOf returns the sockets that receive connections or datagrams in the network namespace of a
// process. A list that is too long is cut; the kernel lists sockets that listen first (proc_net(5)).
func ListenersOf(pid int) (list []Listener, err error) {
	for _, file := range []struct {
		name  string
		udp   bool
		state uint64 // of the sockets that are looked for
	}{{"tcp", false, listening}, {"tcp6", false, listening}, {"udp", true, unconnected}, {"udp6", true, unconnected}} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, file.name))
		if os.IsNotExist(err) && file.name != "tcp" {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list sockets: %w", err)
		}
		lines := bufio.NewScanner(io.LimitReader(f, maxListed))
		for lines.Scan() {
			if s, ok := parseTCP(lines.Text()); ok && s.state == file.state {
				list = append(list, Listener{s.own, file.udp})
			}
		}
		_ = f.Close()
	}
	return list, nil
}

// unconnected is the state of a UDP socket that receives from all clients (TCP_CLOSE).
const unconnected = 7
