package emperord

import (
	"log/slog"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// tools are shared by launches: each runs a goroutine of its own as long as the emperor runs.
type tools struct {
	spawner *namespaces.Spawner
	sweeper *namespaces.Sweeper
	poller  *process.Poller
	keyring bool // each vassal gets a session keyring of its own
}

// newTools starts them, and the threads that all of them need. The caller closes them.
func newTools(o *config.Emperor, log *slog.Logger) (*tools, error) {
	if err := reserveThreads(o); err != nil {
		return nil, err
	}
	keyring, err := keyrings(o, log)
	if err != nil {
		return nil, err
	}
	poller, err := process.NewPoller()
	if err != nil {
		return nil, err
	}
	return &tools{namespaces.NewSpawner(), namespaces.NewSweeper(), poller, keyring}, nil
}

func (t *tools) close() {
	t.poller.Close()
	t.sweeper.Close()
	t.spawner.Close()
}
