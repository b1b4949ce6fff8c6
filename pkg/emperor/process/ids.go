package process

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// start clones the child, in a user namespace with ids of its own if vassals have any.
func (l *Launcher) start(c *child, by *namespaces.Spawner, command namespaces.Command) (err error) {
	if l.IDs != nil {
		ids, release, err := l.IDs(c.request)
		if err != nil {
			return fmt.Errorf("cannot choose its ids: %w", err)
		}
		defer release()
		command.IDs, c.ids = ids, ids
		if !openToAll(command.Dir) {
			command.Dir = "/" // a working directory that its root could not enter
		}
	}
	if c.process, err = by.Start(command); err != nil {
		return l.cloneError(err)
	}
	return nil
}

// openToAll reports whether every user can enter a directory.
func openToAll(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == "/" || dir == "." {
			return true
		}
	}
}

// makeDirectories makes the directories of a child whose root may not: they belong to its user of the host.
func (c *child) makeDirectories() error {
	if c.ids == nil {
		return nil
	}
	var who namespaces.Credentials // root
	var err error
	if c.request.Account != nil {
		if who, err = c.request.Account(); err != nil {
			return err
		}
	}
	uid, gid, ok := c.ids.Outside(who.UID, who.GID)
	for _, d := range c.request.Plan.Directories {
		if !ok {
			return fmt.Errorf("cannot make directory %q: its user namespace has no ids for uid %d, gid %d", d.Path, who.UID, who.GID)
		}
		if c.request.Plan.Tenant {
			if err := namespaces.BelongsTo(d.Path, uid); err != nil {
				return err
			}
		}
		if err := namespaces.MakeDirectory(d.Path, uid, gid, d.Mode); err != nil {
			return err
		}
	}
	return nil
}
