package webpage

import (
	"strings"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// wire is the connection of an interface in a picture: the host's end at the left, the vassal's at the
// right.
type wire struct {
	// Y is the middle of the row, and Top and Height belong to the vassal's end, in the units of the
	// picture.
	Y, Top, Height int
	Host, Name     string
	// Notes are lines below the name.
	Notes []note
	Up    bool
}

// note is a line of text in a picture.
type note struct {
	Y    int
	Text string
}

// network is the picture of a vassal's network, and the facts about it.
type network struct {
	Wires  []wire
	Height int
	Facts  facts
	// Shared: it has the network of the host.
	Shared bool
}

const (
	// lineHeight is the height of a line in the picture.
	lineHeight = 14
	// wireGap is the space between two connections.
	wireGap = 10
)

func linksOf(s control.Status) network {
	n := network{Shared: s.PID != 0 && len(s.Links) == 0 && s.Network == nil}
	for _, l := range s.Links {
		if l.Name == "lo" {
			continue
		}
		w := wire{Top: n.Height, Host: readable.Clean(l.Host), Name: readable.Clean(l.Name), Up: l.Up}
		for _, text := range notesOf(l) {
			w.Notes = append(w.Notes, note{w.Top + 18 + lineHeight*(len(w.Notes)+1), readable.Clean(text)})
		}
		w.Height = 14 + lineHeight*(len(w.Notes)+1)
		w.Y = w.Top + w.Height/2
		n.Height += w.Height + wireGap
		n.Wires = append(n.Wires, w)
	}
	if a := s.Network; a != nil {
		n.Facts.say("mode", a.Mode)
		for _, g := range a.Gateways {
			n.Facts.say("gateway", g.String())
		}
		for _, p := range a.Published {
			n.Facts.say("published", control.PublishedText(p))
		}
		n.Facts.say("allowed", strings.Join(a.Allowed, ", "))
		n.Facts.say("limit", a.Limit)
	}
	n.Facts.say("no network", s.NoNetwork)
	return n
}

// notesOf describes an interface: its addresses, or its kind.
func notesOf(l namespaces.Link) (list []string) {
	for _, a := range l.Addresses {
		if !a.Addr().IsLinkLocalUnicast() {
			list = append(list, a.String())
		}
	}
	if len(list) == 0 {
		list = append(list, l.Kind)
	}
	if !l.Up {
		list = append(list, "down")
	}
	return list
}
