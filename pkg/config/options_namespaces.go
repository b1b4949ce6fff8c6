package config

import (
	"fmt"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Namespaces are a vassal's options about namespaces, beside the emperor's for all vassals.
type Namespaces struct {
	// Network is the name of a network namespace of ip-netns(8) in which the vassal is. Empty: none.
	Network string
	// Join is the address at which another process gives out namespaces, in which the vassal is instead of its own. Empty: none.
	Join string
	// Needed are namespaces that the vassal must have for itself.
	Needed namespaces.Flags
	// Socket is the address at which the vassal gives out its namespaces. Empty: none.
	Socket string
	// Kept are the names of namespaces that it does not give out, as in /proc/PID/ns.
	Kept []string
	// Preopened is without effect: they are always opened before the drop.
	Preopened bool
}

// namespaceOptions are the options of Namespaces. They have uWSGI's names.
var namespaceOptions = option.Rows[Vassal]{
	{
		Name: "ns-net", Aliases: []string{"namespace-net"}, Group: "Network", Arg: "NAME", Guard: true,
		Help: "the network namespace /run/netns/NAME (ip netns add NAME) instead of one of its own", Set: setNetworkNamespace,
	},
	{
		Name: "setns", Group: "Privileges", Arg: "SOCKET", Guard: true,
		Help: "the namespaces that another process gives out at its setns-socket, such as another vassal or a uwsgi, instead of own ones, but for " +
			"the kinds of unshare", Set: setJoined,
	},
	{
		Name: "unshare", Aliases: []string{"unshare2"}, Group: "Privileges", Arg: "NAMESPACES", Repeat: true,
		Help: "namespaces that the vassal must have, as in emperor-use-clone, which makes them; others are mistakes",
		Set: func(v *Vassal, t option.Value) error {
			f, err := namespaces.ParseFlags(t.Text)
			v.Namespaces.Needed |= f
			return err
		},
	},
	{
		Name: "setns-preopen", Group: "Sockets",
		Help: "open the namespaces of setns-socket before the drop of privileges; it is always so",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Namespaces.Preopened) },
	},
	{
		Name: "setns-socket", Group: "Sockets", Arg: "PATH", Guard: true,
		Help: "unix socket (mode 0600) that gives clients the namespaces of the vassal, for uwsgi --setns and programs like it", Set: setNamespaceSocket,
	},
	{
		Name: "setns-socket-skip", Aliases: []string{"setns-skip"}, Group: "Sockets", Arg: "NAME", Repeat: true,
		Help: "a namespace that setns-socket does not give out, such as mnt; user is never among them", Set: setKeptNamespace,
	},
}

func setNetworkNamespace(v *Vassal, t option.Value) error {
	if t.Text == "" || t.Text == "." || t.Text == ".." || strings.ContainsAny(t.Text, "/\x00") {
		return option.Wrong(fmt.Sprintf("%q is no name of a network namespace", t.Text), "such as blue, of ip netns add blue")
	}
	v.Namespaces.Network = t.Text
	return nil
}

func setJoined(v *Vassal, t option.Value) error {
	v.Namespaces.Join = t.Text
	if !strings.HasPrefix(t.Text, "/") && !strings.HasPrefix(t.Text, "@") {
		return option.Wrong(fmt.Sprintf("%q is no absolute path of a unix socket", t.Text), "the setns-socket of another vassal, such as /run/shop/ns.socket")
	}
	return checkAddress(t.Text, false)
}

func setNamespaceSocket(v *Vassal, t option.Value) error {
	v.Namespaces.Socket = t.Text
	if t.Text == "" || strings.Contains(t.Text, ":") {
		return option.Wrong(fmt.Sprintf("%q is no path of a unix socket", t.Text), "such as /run/ns.socket")
	}
	return checkAddress(t.Text, false)
}

func setKeptNamespace(v *Vassal, t option.Value) error {
	for _, name := range namespaces.GivenOut() {
		if name == t.Text || t.Text == "user" {
			v.Namespaces.Kept = append(v.Namespaces.Kept, t.Text)
			return nil
		}
	}
	return option.Unknown("namespace", t.Text, namespaces.GivenOut()...)
}

// Elsewhere is the name of the option that gives the vassal a network which the emperor does not connect. Empty: there is none.
func (n Namespaces) Elsewhere() string {
	switch {
	case n.Network != "":
		return "ns-net"
	case n.Join != "" && !n.Needed.Has(namespaces.NewNet):
		return "setns"
	}
	return ""
}

// Shared is the problem of a vassal that does not have a namespace which its file requires, or that has a network and is to have
// another one. own are its namespaces. ok is false when there is none.
func Shared(v *Vassal, own namespaces.Flags) (p Problem, ok bool) {
	n := v.Namespaces
	if n.Join != "" && n.Network != "" {
		return Problem{Origin: v.Origin("ns-net"), Key: "ns-net", What: "the vassal has the network of setns", Hint: "one of them"}, true
	}
	if missing := n.Needed &^ own; missing != 0 {
		return Problem{
			Origin: v.Origin("unshare"), Key: "unshare", What: fmt.Sprintf("the vassal has no namespace of its own for %s", missing),
			Hint: fmt.Sprintf("%s in emperor-use-clone", missing),
		}, true
	}
	by := n.Elsewhere()
	if by == "" {
		return p, false
	}
	for _, g := range networkSettings(v) {
		if !g.shared && g.Value != "none" {
			return Problem{Origin: g.Origin, Key: g.Name, What: "the vassal has the network of " + by, Hint: "one of them"}, true
		}
	}
	if n.Network != "" && n.Needed.Has(namespaces.NewNet) {
		return Problem{Origin: v.Origin("ns-net"), Key: "ns-net", What: "the vassal is to have a network of its own (unshare)", Hint: "one of them"}, true
	}
	return p, false
}
