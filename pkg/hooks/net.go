package hooks

import (
	"context"
	"net/netip"
	"strings"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// parseIfup parses INTERFACE [ADDRESS/LENGTH …].
func parseIfup(args string) (action, error) {
	words := strings.Fields(args)
	if len(words) == 0 {
		return nil, mistake("such as eth0 10.0.0.2/24", "no interface given")
	}
	if err := checkInterface(words[0]); err != nil {
		return nil, err
	}
	var addresses []netip.Prefix
	for _, word := range words[1:] {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, mistake("such as 10.0.0.2/24", "%q is not an address with its length", word)
		}
		addresses = append(addresses, p)
	}
	return func(context.Context, *scene) error { return namespaces.IfUp(words[0], addresses) }, nil
}

// checkInterface rejects names that no interface can have (netdevice(7)).
func checkInterface(name string) error {
	if name == "" || len(name) > 15 || strings.Contains(name, "/") {
		return mistake("1 to 15 characters", "%q cannot be an interface", name)
	}
	return nil
}

// parseRoute parses DESTINATION [via GATEWAY] [dev INTERFACE].
func parseRoute(args string) (action, error) {
	const syntax = "such as default via 10.0.0.1 dev eth0"
	words := strings.Fields(args)
	if len(words) < 3 || len(words)%2 == 0 {
		return nil, mistake(syntax, "%q is not a route", args)
	}
	var r namespaces.Route
	var err error
	if words[0] != "default" {
		if r.To, err = destination(words[0]); err != nil {
			return nil, mistake(syntax, "%q is not a destination", words[0])
		}
	}
	for i := 1; i < len(words); i += 2 {
		switch words[i] {
		case "via":
			if r.Via, err = netip.ParseAddr(words[i+1]); err != nil {
				return nil, mistake(syntax, "%q is not a gateway", words[i+1])
			}
		case "dev":
			if err := checkInterface(words[i+1]); err != nil {
				return nil, err
			}
			r.Device = words[i+1]
		default:
			return nil, mistake(syntax, "%q is neither via nor dev", words[i])
		}
	}
	return func(context.Context, *scene) error { return r.Replace() }, nil
}

// destination parses a network or a single address.
func destination(word string) (netip.Prefix, error) {
	if strings.Contains(word, "/") {
		p, err := netip.ParsePrefix(word)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(word)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Prefix(a.BitLen())
}
