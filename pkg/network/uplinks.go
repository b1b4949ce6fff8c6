package network

import (
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// uplinks are the interfaces to other hosts. They may come, go and change while vassals run: each one
// is prepared like the ones that are there at the start.
type uplinks struct {
	routes *namespaces.RouteWatch
	wake   chan struct{} // something may have changed
	ends   chan struct{}
	group  sync.WaitGroup
}

// openUplinks watches default routes. The caller starts it when the stage is complete, and closes it.
func openUplinks() (*uplinks, error) {
	routes, err := namespaces.WatchDefaultRoutes()
	if err != nil {
		return nil, err
	}
	return &uplinks{routes: routes, wake: make(chan struct{}, 1), ends: make(chan struct{})}, nil
}

// linkChanged notes that an interface has come or changed, if it is an uplink of the options. One
// without a name: any may have.
func (s *Stage) linkChanged(e namespaces.LinkEvent) {
	if e.Name == "" || !e.Gone && slices.Contains(s.config.Uplinks, e.Name) {
		wakeUp(s.ups.wake)
	}
}

// followUplinks prepares uplinks until closeUplinks.
func (s *Stage) followUplinks() {
	u := s.ups
	u.group.Go(func() {
		for {
			switch err := u.routes.Next(); {
			case errors.Is(err, os.ErrClosed):
				return
			case err != nil:
				s.config.Log.Error("uplinks that appear from now on are not used", "error", err)
				return
			}
			wakeUp(u.wake)
		}
	})
	u.group.Go(func() {
		for {
			select {
			case <-u.wake:
				if err := s.prepareUplinks(); err != nil {
					s.config.Log.Error("vassals may not reach other hosts", "error", err)
				}
			case <-u.ends:
				return
			}
		}
	})
}

// close ends the watch. It is called once.
func (u *uplinks) close() {
	u.routes.Close()
	close(u.ends)
	u.group.Wait()
}

// prepareUplinks switches forwarding on for the uplinks of this moment, and guards them. It is called
// by one goroutine at a time.
func (s *Stage) prepareUplinks() error {
	host, err := readHost()
	if err != nil {
		return err
	}
	guarded, err := s.forward(s.uplinks(host))
	return errors.Join(err, s.table.Guard(guarded))
}
