package spec

import (
	"fmt"
	"strings"
)

// Kind is the way in which a vassal is connected.
type Kind string

// The kinds of connections.
const (
	None    Kind = "none"    // nothing is done: hooks may connect it
	Routed  Kind = "routed"  // a veth pair and routes
	Bridge  Kind = "bridge"  // a veth pair whose other end is a port of a bridge
	Macvlan Kind = "macvlan" // an interface of its own on top of one of the host
	Ipvlan  Kind = "ipvlan"  // the same, with the hardware address of the one below
	CNI     Kind = "cni"     // by the plugins of a Container Network Interface configuration
	Join    Kind = "join"    // no network of its own, but another vassal's
)

// Mode is a kind with its argument: macvlan:eth0, bridge:br0, cni:NETWORK, join:VASSAL.
type Mode struct {
	Kind Kind
	Of   string
}

// grammar is the part of a mode behind its kind.
type grammar struct {
	// form is the argument in messages. Empty: there is none.
	form     string
	optional bool
	check    func(of string) error
}

var grammars = map[Kind]grammar{
	None: {}, Routed: {},
	Bridge:  {form: "bridge or bridge:NAME", optional: true, check: isInterface},
	Macvlan: {form: "macvlan:INTERFACE", check: isInterface},
	Ipvlan:  {form: "ipvlan:INTERFACE", check: isInterface},
	CNI:     {form: "cni:NETWORK", check: isCNI},
	Join:    {form: "join:VASSAL", check: func(string) error { return nil }},
}

// Kinds lists the kinds in the order of the documents.
func Kinds() []Kind { return []Kind{Routed, Bridge, Macvlan, Ipvlan, CNI, Join, None} }

// ParseMode parses a mode.
func ParseMode(text string) (Mode, error) {
	kind, of, given := strings.Cut(text, ":")
	m := Mode{Kind(kind), of}
	g, known := grammars[m.Kind]
	switch {
	case !known:
		return Mode{}, fmt.Errorf("%q is no way to connect a vassal (one of %s)", kind, listed())
	case given && g.form == "":
		return Mode{}, fmt.Errorf("%q takes nothing after it", kind)
	case given && of == "", !given && g.form != "" && !g.optional:
		return Mode{}, fmt.Errorf("%q is not complete (%s)", text, g.form)
	case !given:
		return m, nil
	}
	if err := g.check(of); err != nil {
		return Mode{}, err
	}
	return m, nil
}

// ParsePermission parses a mode that others may choose. join alone is about all vassals of the
// same owner.
func ParsePermission(text string) (Mode, error) {
	if text == string(Join) {
		return Mode{Kind: Join}, nil
	}
	return ParseMode(text)
}

// Permits reports whether a mode of ParsePermission is about another mode.
func (m Mode) Permits(chosen Mode) bool {
	return m == chosen || m == Mode{Kind: Join} && chosen.Kind == Join
}

func isInterface(of string) error {
	_, err := ParseInterface(of)
	return err
}

// isCNI returns an error for a name that no CNI network can have (SPEC.md, network configuration
// format).
func isCNI(of string) error {
	letter := func(c rune) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	other := func(c rune) bool { return !letter(c) && c != '_' && c != '.' && c != '-' }
	if of == "" || !letter(rune(of[0])) || strings.ContainsFunc(of, other) {
		return fmt.Errorf("%q cannot be a CNI network (letters, digits, dots, hyphens and underscores)", of)
	}
	return nil
}

func listed() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// String prints the syntax of ParseMode.
func (m Mode) String() string {
	if m.Of == "" {
		return string(m.Kind)
	}
	return string(m.Kind) + ":" + m.Of
}

// Host returns the name of the vassal whose network the mode is, in the form of package vassalname.
// Empty: it is not the network of another vassal.
func (m Mode) Host() string {
	if m.Kind != Join {
		return ""
	}
	return m.Of
}
