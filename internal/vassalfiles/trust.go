package vassalfiles

import (
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// Owners returns the rules about the owners of files; nil: vassals do not run as the owners of their files.
func (f Finder) Owners() *monitor.Owners {
	if f.Emperor == nil || !f.Tyrant.On {
		return nil
	}
	t := f.Tyrant
	return &monitor.Owners{MinUID: t.MinUID, Operator: t.Operator, NoFollow: t.NoFollow}
}

// HasGroup returns an OwnerError for the owner of a file whose group is not known.
func HasGroup(path string, uid uint32) error {
	if _, err := (accounts.Wish{UID: config.IdentityOf(uid), NoInitgroups: true}).Resolve(); err != nil {
		return &monitor.OwnerError{
			Path: path, UID: uid, What: fmt.Sprintf("belongs to uid %d, which has no entry in the user database, and therefore no group", uid),
			Hint: fmt.Sprintf("useradd --uid %d NAME, or chown it to another user", uid),
		}
	}
	return nil
}

// Trust lists the directories and files that decide which vassals these monitors find. With rules about
// owners there are none: those decide about each path.
func (f Finder) Trust(monitors ...string) inspect.Trust {
	t := inspect.Trust{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if f.Emperor != nil && f.UID.Set {
		if id, err := accounts.UID(f.UID); err == nil {
			t.UID = id
		}
	}
	if f.Emperor != nil && f.GID.Set {
		if id, err := accounts.GID(f.GID); err == nil {
			t.GID = id
		}
	}
	if f.Owners() != nil {
		return t
	}
	for _, m := range monitors {
		files, _ := f.Files(m) // the monitor reports the error
		for _, c := range files {
			t.Files = append(t.Files, c.Path)
		}
		if pattern, ok := f.Pattern(m); ok {
			dir, _ := os.Getwd() // an absolute pattern needs none
			t.Dirs = append(t.Dirs, monitor.Directories(dir, pattern)...)
		} else {
			t.Dirs = append(t.Dirs, m)
		}
	}
	return t
}
