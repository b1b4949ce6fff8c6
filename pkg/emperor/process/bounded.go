package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
)

// bounded returns a list that reduces the bounding set of capabilities while the child has one thread, and then executes the
// vassal program. The program would reduce it later in each of its threads, with one stop of them for each capability. Nil: it
// has nothing to reduce, or a program with more rights runs before, or the list cannot express the start.
func (b birth) bounded(c namespaces.Command) *bootlist.List {
	l, r := b.child.resources.launcher, b.request
	keep := r.Bounds.Kept
	if l.Rights.Capabilities != nil { // from the first step on
		keep = l.Rights.Capabilities
	}
	switch {
	case keep == nil, l.Forker == nil, os.Geteuid() != 0, len(l.Hooks.sent(r)) > 0:
		return nil
	case c.Namespaces&(namespaces.NewUser|namespaces.NewTime) != 0, l.Rights.IDs != nil:
		return nil // a user namespace has all capabilities, and the parent checks the time
	case r.Joins(), r.Guest.Elsewhere(), !filepath.IsAbs(c.Dir), slices.Contains(c.Files, nil):
		return nil
	}
	program := l.Programs.Open.Vassal()
	list := &bootlist.List{Files: c.Files, Report: orderFD}
	if program != nil {
		list.Files = append(slices.Clip(c.Files), program)
	}
	list.Step("seal descriptors")
	list.Seal()
	for fd := 3; fd < len(c.Files); fd++ {
		list.Keep(fd)
	}
	list.Session()
	list.Enter(c.Dir, func(err error) error { return fmt.Errorf("cannot enter %q: %w", c.Dir, err) })
	list.Deathsig(c.Deathsig)
	if c.Keyring {
		list.Keyring()
	}
	list.Step("limit capabilities")
	if err := bootlist.Ahead(list, *keep); err != nil {
		r.Log.Debug("the vassal program reduces its capabilities", "cause", err)
		return nil
	}
	failed := func(err error) error { return fmt.Errorf("cannot run %q: %w", l.Programs.Vassal, err) }
	if program != nil {
		list.ExecOpen(len(list.Files)-1, c.Args, c.Env, failed)
	} else {
		list.Exec(c.Path, c.Args, c.Env, failed)
	}
	return list
}
