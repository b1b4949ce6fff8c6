package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// addressOf returns the addresses at which clients reach a vassal: its own address with the port
// of its first socket, and the ports of the host that lead to it.
func addressOf(v control.Vassal) string {
	n := v.Network
	if n == nil || len(n.Addresses) == 0 {
		return v.Address
	}
	list := []string{located(n.Addresses[0], v.Address)}
	for _, text := range n.Published {
		list = append(list, arrow(text))
	}
	return strings.Join(list, ", ")
}

// located puts the vassal's address before the port of a socket that is bound to all addresses.
func located(own netip.Addr, bound string) string {
	host, port, ok := cutLast(bound)
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case !ok || err != nil:
		return own.String()
	case host == "", host == "0.0.0.0", host == "[::]", host == "*":
		return netip.AddrPortFrom(own, uint16(number)).String()
	}
	return bound
}

func cutLast(address string) (host, port string, ok bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return "", "", false
	}
	return address[:i], address[i+1:], true
}

// arrow formats a published port, such as :8001->8080.
func arrow(text string) string {
	p, err := spec.ParsePublication(text)
	if err != nil {
		return text
	}
	at, protocol := p.Ports, ""
	if at.Protocol == spec.UDP {
		at.Protocol, protocol = spec.TCP, "/udp"
	}
	from := at.String()
	if !at.Address.IsValid() {
		from = ":" + from
	}
	return fmt.Sprintf("%s->%d%s", from, p.To, protocol)
}

// sayNetwork prints the network of a vassal.
func sayNetwork(r emperor.Record, say func(key, value string)) {
	if n := r.Network; n != nil {
		text := n.Mode
		for _, a := range n.Addresses {
			text += ", " + a.String()
		}
		say("network", text)
		for _, p := range n.Published {
			say("published", arrow(p))
		}
		for _, a := range n.Allowed {
			say("allowed", a)
		}
		say("limit", n.Limit)
		if n.Spoofed > 0 {
			say("forged packets", strconv.FormatUint(n.Spoofed, 10))
		}
	}
	if r.NoNetwork != "" {
		say("no network", fmt.Sprintf("since %s: %s", r.NoNetworkSince.Local().Format(time.DateTime), r.NoNetwork))
	}
}
