package vassal

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// makeDirectories is the step that makes the directories of the options.
func makeDirectories(from *source, env *environment) optionStep {
	return func(_ context.Context, o *config.Vassal) error { return env.makeDirectories(o, from) }
}

// makeDirectories makes the directories of the options for the user of the vassal, and sets the
// variables by which its hooks and programs find them. One that is there gets the owner and the mode;
// its contents stay.
func (e *environment) makeDirectories(o *config.Vassal, from *source) error {
	if !slices.ContainsFunc(o.Directories[:], func(d config.Directories) bool { return len(d.Names) > 0 }) {
		return nil // the user is looked up at the last moment: a hook may create it
	}
	owner, group := os.Geteuid(), os.Getegid()
	home := accounts.LoginOf(uint32(owner)).Home
	if order := from.tenant(); order != nil {
		c, login, err := ownerOf(order, o)
		if err != nil {
			return err
		}
		owner, group, home = int(c.UID), int(c.GID), login.Home
	} else if wish := (accounts.Wish{UID: o.UID, GID: o.GID, NoInitgroups: true}); owner == 0 && !wish.None() {
		c, err := wish.Resolve()
		if err != nil {
			return blameMistake(o, err)
		}
		owner, group = int(c.UID), int(c.GID)
	}
	for i, kind := range config.DirectoryKinds() {
		d := o.Directories[i]
		if len(d.Names) == 0 {
			continue
		}
		parent := kind.In(os.Geteuid(), home)
		var paths []string
		for _, name := range d.Names {
			path := filepath.Join(parent, name)
			if made := filepath.Join(kind.Parent, name); belongsTo(made, owner) { // before the drop, for the configuration that has failed
				path = made
			}
			if from.tenant() != nil {
				if err := namespaces.BelongsTo(path, owner); err != nil {
					return o.Blame(kind.Option, "", err)
				}
			}
			if err := namespaces.MakeDirectory(path, owner, group, uint32(d.Perm())); err != nil {
				return o.Blame(kind.Option, "", err)
			}
			paths = append(paths, path)
		}
		if _, changed := e.replaced[kind.Variable]; !changed {
			_ = os.Unsetenv(kind.Variable) // the emperor's own
		}
		if err := e.setBeneath(o, kind.Variable, strings.Join(paths, ":")); err != nil {
			return err
		}
	}
	return nil
}

// belongsTo reports whether a directory exists and belongs to a user.
func belongsTo(path string, uid int) bool {
	var info unix.Stat_t
	return unix.Lstat(path, &info) == nil && info.Mode&unix.S_IFMT == unix.S_IFDIR && int(info.Uid) == uid
}
