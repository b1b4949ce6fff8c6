package network

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// uplinks are the interfaces to other hosts. They may come, go and change while vassals run: each one
// is prepared like the ones that are there at the start.
type uplinks struct {
	names  []string // of the options
	log    *slog.Logger
	routes *namespaces.RouteWatch
	wake   chan struct{} // there may be other ones
	ends   chan struct{}
	group  sync.WaitGroup
}

// openUplinks watches default routes. Changes from now on count after a call of follow. The caller
// closes it.
func openUplinks(names []string, log *slog.Logger) (*uplinks, error) {
	routes, err := namespaces.WatchDefaultRoutes()
	if err != nil {
		return nil, err
	}
	return &uplinks{names: names, log: log, routes: routes, wake: make(chan struct{}, 1), ends: make(chan struct{})}, nil
}

// linkChanged takes an event of an interface. One without a name: any interface may have changed.
func (u *uplinks) linkChanged(e namespaces.LinkEvent) {
	if e.Name == "" || !e.Gone && slices.Contains(u.names, e.Name) {
		wakeUp(u.wake)
	}
}

// follow calls prepare, one call at a time, when there may be other uplinks, until close.
func (u *uplinks) follow(prepare func() error) {
	u.group.Go(u.followRoutes)
	u.group.Go(func() {
		for {
			select {
			case <-u.wake:
				if err := prepare(); err != nil {
					u.log.Error("vassals may not reach other hosts", "error", err)
				}
			case <-u.ends:
				return
			}
		}
	})
}

func (u *uplinks) followRoutes() {
	for {
		switch err := u.routes.Next(); {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			u.log.Error("uplinks that appear from now on are not used", "error", err)
			return
		}
		wakeUp(u.wake)
	}
}

// close ends the watch. It is called once.
func (u *uplinks) close() {
	u.routes.Close()
	close(u.ends)
	u.group.Wait()
}

// prepareUplinks switches forwarding on for the uplinks of this moment, and guards them.
func (s *Stage) prepareUplinks() error {
	host, err := readHost()
	if err != nil {
		return err
	}
	guarded, err := s.forward(s.uplinks(host))
	return errors.Join(err, s.table.Guard(guarded))
}
