package hooks

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// parseMount parses FILESYSTEM SOURCE TARGET [FLAGS [DATA]].
func parseMount(args string) (action, error) {
	words := strings.Fields(args)
	if len(words) < 3 || len(words) > 5 {
		return nil, mistake("the syntax is "+Mount.Syntax(), "%q is not a mount", args)
	}
	m := namespaces.Mount{Type: words[0], Source: words[1], Target: words[2]}
	if len(words) > 3 && words[3] != "-" {
		var unknown string
		if m.Flags, unknown = namespaces.ParseMountFlags(words[3]); unknown != "" {
			return nil, badFlag(unknown, namespaces.MountFlagNames(), "; options of the filesystem are a fifth word")
		}
	}
	if len(words) == 5 {
		m.Data = words[4]
	}
	return func(_ context.Context, s *scene) error {
		here := m
		here.Target = s.absolute(m.Target)
		if m.Flags.TakesPath() {
			here.Source = s.absolute(m.Source)
		}
		return here.Do()
	}, nil
}

// parseUmount parses TARGET [FLAGS].
func parseUmount(args string) (action, error) {
	words := strings.Fields(args)
	if len(words) < 1 || len(words) > 2 {
		return nil, mistake("the syntax is "+Umount.Syntax(), "%q is not a mount point", args)
	}
	var flags namespaces.UmountFlags
	if len(words) == 2 {
		var unknown string
		if flags, unknown = namespaces.ParseUmountFlags(words[1]); unknown != "" {
			return nil, badFlag(unknown, namespaces.UmountFlagNames(), "")
		}
	}
	return func(_ context.Context, s *scene) error { return namespaces.Unmount(s.absolute(words[0]), flags) }, nil
}

func badFlag(word string, known []string, more string) error {
	hint := "known are " + strings.Join(known, ", ")
	if near := suggest.Near(word, slices.Values(known)); near != nil {
		hint = suggest.Question("", near...)
	}
	return mistake(hint+more, "unknown flag %q", word)
}

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
