package emperord

import (
	"errors"
	"os"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// inheritance has the possessions of an earlier emperor that a later one takes over. Each that is
// there is used instead of a new one. The zero value: gather makes everything anew.
type inheritance struct {
	// runtimeDir has the lock of the runtime directory and the control socket.
	runtimeDir control.HeldDir
	// claims are the files that the emperor governs. No other emperor can claim one in between.
	claims claims.Held
	// stats, metrics and web are listening sockets, and commands receives datagrams. Nil: they are bound.
	stats, metrics, web, commands *os.File
	// cgroupPath is the root of the cgroups, and cgroupLock its lock. Nil: a root is made.
	cgroupPath string
	cgroupLock *os.File
	// spawner has the thread with which the deathsig of the vassals is connected. Nil: one is made.
	spawner *namespaces.Spawner
	// vassals have their records before the monitors start.
	vassals []emperor.Inherited
}

// handOver gives everything in inheritance away. close then leaves it alone. The locks of flock and flock-wait,
// the pid file and the effects of hooks are not in it: they belong to the process, and end with it.
func (g *gathered) handOver(vassals []emperor.Inherited) (in inheritance, err error) {
	in.vassals = vassals
	in.claims = g.registry.HandOver()
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
	if g.commands != nil {
		f, failed := g.commands.handOver()
		in.commands, err = f, errors.Join(err, failed)
	}
	if g.sockets.claim != nil {
		held, failed := g.sockets.claim.HandOver()
		in.runtimeDir, err = held, errors.Join(err, failed)
	}
	return in, err
}
