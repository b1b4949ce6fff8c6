package main

import (
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// tools are what launches share: each works in a goroutine of its own as long as
// there is an emperor.
type tools struct {
	spawner *namespaces.Spawner
	sweeper *namespaces.Sweeper
	ears    *emperor.Ears
}

// newTools starts them. The caller closes them.
func newTools() (*tools, error) {
	ears, err := emperor.NewEars()
	if err != nil {
		return nil, err
	}
	return &tools{namespaces.NewSpawner(), namespaces.NewSweeper(), ears}, nil
}

func (t *tools) close() {
	t.ears.Close()
	t.sweeper.Close()
	t.spawner.Close()
}

// lend gives them to the launcher.
func (t *tools) lend(s *emperor.System) {
	s.Spawner, s.Sweeper, s.Ears = t.spawner, t.sweeper, t.ears
}
