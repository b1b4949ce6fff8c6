package wire

import (
	"errors"
	"slices"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Landlocks are the restrictions of a vassal's process by landlock(7), which the kernel does not show.
// The zero value means that there are none.
type Landlocks struct {
	// List are the restrictions. All apply.
	List []namespaces.Landlock `json:"list,omitempty"`
	// Untold: there are others, which are too long for a notice.
	Untold bool `json:"untold,omitempty"`
}

// Add adds the restrictions of a Confined notice.
func (l *Landlocks) Add(list []namespaces.Landlock) {
	l.List = append(slices.Clip(l.List), list...)
	l.Untold = l.Untold || len(list) == 0
}

// Known returns the list, or an error when it is incomplete.
func (l *Landlocks) Known() ([]namespaces.Landlock, error) {
	if l.Untold {
		return nil, errors.New("the vassal has more landlock paths than it can report, and a program in it would not be restricted")
	}
	return l.List, nil
}
