package network

import (
	"context"
	"errors"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Plugged prepares the host for vassals that other software connects.
type Plugged struct{ stage *Stage }

// PluggedInto returns the part of a stage for vassals that other software connects.
func PluggedInto(s *Stage) Plugged { return Plugged{s} }

// ID marks everything of this emperor.
func (p Plugged) ID() ID { return p.stage.id }

// Reserve prepares a vassal that other software connects: its loopback interface is up, and the
// host's programs cannot take its published ports. After an error it has no ports. The handle stays the caller's.
func (p Plugged) Reserve(ctx context.Context, vassal string, publish []spec.Publication, ns netns.NsHandle) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	in, err := p.stage.sockets.enter(ns)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.Apply(loopback.Up()); err != nil {
		return err
	}
	return p.stage.ports.hold(vassal, publish)
}

// Release gives up the published ports of a vassal.
func (p Plugged) Release(vassal string) { p.stage.ports.release(vassal, nil) }

// Watch calls lost once when an interface of the host goes or is set down. An interface
// without a name or that is gone already is not watched. The caller ends the watch before it removes the
// interface.
func (p Plugged) Watch(name string, lost func(reason string)) (index namespaces.Index, end func(), err error) {
	end = func() {}
	if name == "" {
		return 0, end, nil
	}
	n, err := p.stage.sockets.open()
	if err != nil {
		return 0, end, err
	}
	defer n.Close()
	facts, err := n.LinkNamed(name)
	if errors.Is(err, errNoLink) {
		return 0, end, nil
	}
	if err != nil {
		return 0, end, err
	}
	if lost != nil {
		p.stage.watch.Watch(facts.Index, lost)
		end = func() { p.stage.watch.Unwatch(facts.Index) }
	}
	return facts.Index, end, nil
}
