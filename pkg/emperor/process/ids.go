package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// start clones the child, in a user namespace with ids of its own if vassals have any.
func (l *Launcher) start(c *child, by *namespaces.Spawner, command namespaces.Command) (err error) {
	if l.Rights.IDs != nil {
		ids, release, err := l.Rights.IDs(c.resources.request)
		if err != nil {
			return fmt.Errorf("cannot choose its ids: %w", err)
		}
		defer release()
		command.IDs, c.resources.ids = ids, ids
		if !openToAll(command.Dir) {
			command.Dir = "/" // a working directory that its root could not enter
		}
	}
	if c.resources.process, err = by.Start(command); err != nil {
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

// makeDirectories makes the directories of a child that cannot make them in its view of the file system. They belong to its user.
func (c *child) makeDirectories() (err error) {
	plan := c.resources.request.Plan
	if !plan.Files.Make || len(plan.Files.Directories) == 0 {
		return nil
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		var who namespaces.Credentials // root
		if plan.Account != nil {
			if who, err = plan.Account(); err != nil {
				return err
			}
		}
		if uid, gid = int(who.UID), int(who.GID); c.resources.ids != nil {
			var ok bool
			if uid, gid, ok = c.resources.ids.Outside(who.UID, who.GID); !ok {
				return fmt.Errorf("cannot make its directories: its user namespace has no ids for uid %d, gid %d", who.UID, who.GID)
			}
		}
	}
	for _, d := range plan.Files.Directories {
		if plan.Tenant {
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

// mapOwners opens the binds that show files with the owners of the child's user namespace. The caller closes them when the order is sent.
func (c *child) mapOwners(o *wire.Order) (trees []*os.File, err error) {
	source := o.FileSystem.FirstMapped()
	if source == "" {
		return nil, nil
	}
	ids := c.resources.ids
	if ids == nil || ids.Files == nil {
		return nil, errors.New("private-ids: files of root have no other owner in binds, nor has an id above its range (uid and gid of a user below the size of " +
			"emperor-id-range)")
	}
	type opened struct {
		view  namespaces.FileSystem
		trees []*os.File
	}
	found, err := reads.Get(context.Background(), c.resources.launcher.Reads, source, func() (opened, error) {
		view, trees, err := o.FileSystem.Idmapped(ids.Files)
		return opened{view, trees}, err
	})
	if err == nil {
		o.FileSystem = found.view
	}
	return found.trees, err
}

// followed returns a view without symbolic links in its paths. The root of a vassal with ids of its own cannot tell links of the host's
// root from links of others: the emperor follows them. A path that cannot be looked up stays as it is.
func followed(view namespaces.FileSystem, files *reads.Pool) namespaces.FileSystem {
	real := func(path string) string {
		if path == "" {
			return path
		}
		found, err := reads.Get(context.Background(), files, path, func() (string, error) { return namespaces.Followed(path) })
		if err != nil {
			return path
		}
		return found
	}
	places := make([]namespaces.Place, len(view.Places))
	for i, p := range view.Places {
		if p.Source = real(p.Source); view.Root == nil {
			p.Path = real(p.Path)
		}
		places[i] = p
	}
	if view.Root != nil {
		root := *view.Root
		root.Path = real(root.Path)
		view.Root = &root
	}
	return namespaces.FileSystem{Places: places, Root: view.Root}
}
