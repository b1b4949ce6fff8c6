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
		command.IDs = ids
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
