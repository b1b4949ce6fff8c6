package emperord

import (
	"errors"
	"os"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// inheritance has the possessions of an earlier emperor that a later one takes over. Each that is
// there is used instead of a new one. The zero value: gather makes everything anew.
type inheritance struct {
	// runtimeDir has the lock of the runtime directory and the control socket.
	runtimeDir control.HeldDir
	// stats, metrics and web are listening sockets. Nil: they are bound.
	stats, metrics, web *os.File
	// cgroupPath is the root of the cgroups, and cgroupLock its lock. Nil: a root is made.
	cgroupPath string
	cgroupLock *os.File
	// spawner has the thread with which the deathsig of the vassals is connected. Nil: one is made.
	spawner *namespaces.Spawner
	// vassals have their records before the monitors start.
	vassals []emperor.Inherited
}

// handOver gives everything in inheritance away. close then leaves it alone. The claims of the files are
// dropped: a later emperor of this process makes the same claims again.
func (g *gathered) handOver(vassals []emperor.Inherited) (in inheritance, err error) {
	in.vassals = vassals
	g.registry.Close()
	in.spawner, g.tools.spawner = g.tools.spawner, nil
	if g.cgroups != nil {
		in.cgroupPath, in.cgroupLock = g.cgroups.HandOver()
	}
	give := func(l *control.Listener, to **os.File) {
		if l != nil {
			f, failed := l.HandOver()
			*to, err = f, errors.Join(err, failed)
		}
	}
	give(g.sockets.stats, &in.stats)
	give(g.sockets.scraped, &in.metrics)
	give(g.sockets.web, &in.web)
	if g.sockets.claim != nil {
		held, failed := g.sockets.claim.HandOver()
		in.runtimeDir, err = held, errors.Join(err, failed)
	}
	return in, err
}
