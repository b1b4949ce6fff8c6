package emperord

import (
	"log/slog"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/network"
)

// tools are shared by launches: each runs a goroutine of its own as long as the emperor runs.
type tools struct {
	spawner *namespaces.Spawner
	forker  *bootlist.Forker
	sweeper *namespaces.Sweeper
	// sockets makes unix sockets of vassals. Nil: vassals have no network of their own.
	sockets *namespaces.SocketMaker
	poller  *process.Poller
	keyring bool // each vassal gets a session keyring of its own
	// links watches links of vassals that hooks make. Nil: vassals have no network of their own.
	links *network.Watcher
}

// newTools starts them, and the threads that all of them need. The caller closes them.
func newTools(o *config.Emperor, in inheritance, program string, log *slog.Logger) (*tools, error) {
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
	spawner := in.spawner
	if spawner == nil {
		spawner = namespaces.NewSpawner()
	}
	t := &tools{
		spawner: spawner, forker: &bootlist.Forker{Spawner: spawner, Program: program, Keyring: keyring}, sweeper: namespaces.NewSweeper(),
		poller: poller, keyring: keyring,
	}
	if o.Clone.Has(namespaces.NewNet) {
		if t.links, err = network.NewWatcher(log); err != nil {
			t.close()
			return nil, err
		}
		t.sockets = namespaces.NewSocketMaker()
	}
	return t, nil
}

func (t *tools) close() {
	if t.sockets != nil {
		t.sockets.Close()
	}
	if t.links != nil {
		t.links.Close()
	}
	t.poller.Close()
	t.sweeper.Close()
	t.forker.Close()
	if t.spawner != nil { // it was not handed over
		t.spawner.Close()
	}
}
