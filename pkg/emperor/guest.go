package emperor

import "github.com/emperor-go/emperor/pkg/namespaces"

// Guest is a vassal that has other namespaces, or another network, instead of its own.
type Guest struct {
	// Joins is the address at which another process gives out namespaces that the vassal has, without the kinds in Keeps. Empty: none.
	Joins string
	Keeps namespaces.Flags
	// NetNS is the name of a network namespace of ip-netns(8). Empty: the network is another vassal's, if any.
	NetNS string
	// At is the place of the option, for messages.
	At string
}

// Elsewhere reports whether it has them, apart from the network of another vassal.
func (g Guest) Elsewhere() bool { return g.NetNS != "" || g.Joins != "" }
