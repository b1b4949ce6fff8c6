package network

import (
	"context"
	"errors"
	"os"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// ID marks everything of this emperor.
func (s *Stage) ID() ID { return s.id }

// Reserve prepares a vassal that other software connects: its loopback interface is up, and the
// host's programs cannot take its published ports. After an error it has no ports.
func (s *Stage) Reserve(ctx context.Context, vassal string, publish []spec.Publication, netns *os.File) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	in, err := s.enter(int(netns.Fd()))
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.Apply(loopback.Up()); err != nil {
		return err
	}
	return s.ports.hold(vassal, publish)
}

// Release gives up the published ports of a vassal.
func (s *Stage) Release(vassal string) { s.ports.release(vassal, nil) }

// WatchInterface calls lost once when an interface of the host goes or is set down. An interface
// without a name or that is gone already is not watched. The caller ends the watch before it removes the
// interface.
func (s *Stage) WatchInterface(name string, lost func(reason string)) (index namespaces.Index, end func(), err error) {
	end = func() {}
	if name == "" {
		return 0, end, nil
	}
	n, err := s.open()
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
		s.watch.watch(facts.Index, lost)
		end = func() { s.watch.unwatch(facts.Index) }
	}
	return facts.Index, end, nil
}
