package emperord

import (
	"context"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// shared is the place of a vassal that has the network of another one: that vassal's, with its nameservers.
type shared struct{ place emperor.Attachment }

// share connects a vassal that was cloned in the network of another one: nothing is to be done.
func (n *connections) share(
	_ context.Context, _ emperor.Request, wish spec.Wish, _ netns.NsHandle, _ func(string),
) (emperor.Connection, namespaces.Index, error) {
	place, index := n.list.of(wish.Mode)
	place.Mode, place.Published, place.Allowed, place.Limit = wish.Mode.String(), nil, nil, ""
	return shared{place}, index, nil
}

// Attachment implements emperor.Connection.
func (s shared) Attachment() emperor.Attachment { return s.place }

// Change implements emperor.Connection.
func (s shared) Change(context.Context, emperor.Plan, netns.NsHandle) error { return nil }

// Close implements emperor.Connection.
func (s shared) Close() error { return nil }
