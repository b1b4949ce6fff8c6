package monitor

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// owned makes a tree in which each path has an owner and a mode, and returns its root.
func owned(t *testing.T, entries ...ownedEntry) string {
	t.Helper()
	root := t.TempDir()
	for at := root; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range entries {
		path := filepath.Join(root, e.path)
		var err error
		switch {
		case e.link != "":
			err = os.Symlink(strings.ReplaceAll(e.link, "ROOT", root), path)
		case e.hard != "":
			err = os.Link(filepath.Join(root, e.hard), path)
		case e.mode&os.ModeDir != 0:
			err = os.Mkdir(path, 0o700)
		default:
			err = os.WriteFile(path, []byte("[uwsgi]\n"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(path, e.uid, e.uid); err != nil {
			t.Skip("the kernel refuses to change owners:", err)
		}
		if e.link == "" && e.hard == "" {
			if err := os.Chmod(path, e.mode.Perm()|e.mode&os.ModeSticky); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

type ownedEntry struct {
	path       string
	uid        int
	mode       os.FileMode
	link, hard string
}

// TestOwners: each rule, with the text that names file, owner, rule and remedy.
func TestOwners(t *testing.T) {
	dir := func(path string, uid int, mode os.FileMode) ownedEntry {
		return ownedEntry{path: path, uid: uid, mode: mode | os.ModeDir}
	}
	file := func(path string, uid int, mode os.FileMode) ownedEntry {
		return ownedEntry{path: path, uid: uid, mode: mode}
	}
	link := func(path, to string, uid int) ownedEntry { return ownedEntry{path: path, link: to, uid: uid} }
	rules, operators := Owners{MinUID: 1000}, Owners{MinUID: 1000, Operator: true}
	for name, c := range map[string]struct {
		rules Owners
		tree  []ownedEntry
		want  string
	}{
		"a tenant's":          {rules, []ownedEntry{file("a.ini", 4001, 0o644)}, ""},
		"in its directory":    {rules, []ownedEntry{dir("d", 4001, 0o755), link("a.ini", "d/b.ini", 4001), file("d/b.ini", 4001, 0o600)}, ""},
		"a system user's":     {rules, []ownedEntry{file("a.ini", 33, 0o644)}, "a.ini: belongs to uid 33, below emperor-tyrant-uid-min (1000): not started (chown it to the tenant)"},
		"an unmapped user's":  {rules, []ownedEntry{file("a.ini", 65534, 0o644)}, "which the kernel shows for users that it cannot name"},
		"root's":              {rules, []ownedEntry{file("a.ini", 0, 0o644)}, "a.ini: belongs to uid 0, and emperor-tyrant-root is refuse: not started (chown it to the tenant, or emperor-tyrant-root = operator if it is the operator's)"},
		"the operator's":      {operators, []ownedEntry{file("a.ini", 0, 0o644)}, ""},
		"of the group":        {rules, []ownedEntry{file("a.ini", 4001, 0o664)}, "belongs to uid 4001, and others can write to it (mode 0664): not started (chmod go-w)"},
		"of the world":        {operators, []ownedEntry{file("a.ini", 0, 0o646)}, "others can write to it (mode 0646)"},
		"two names":           {rules, []ownedEntry{file("b.ini", 4001, 0o644), {path: "a.ini", hard: "b.ini", uid: 4001}}, "has 2 hard links"},
		"an open directory":   {rules, []ownedEntry{dir("d", 0, 0o777), link("a.ini", "d/b.ini", 0), file("d/b.ini", 4001, 0o644)}, "others can write to the directory ROOT/d (mode 0777), which has no sticky bit"},
		"a sticky directory":  {rules, []ownedEntry{dir("d", 0, 0o777|os.ModeSticky), link("a.ini", "d/b.ini", 0), file("d/b.ini", 4001, 0o644)}, ""},
		"of a third user":     {rules, []ownedEntry{dir("d", 4002, 0o755), link("a.ini", "d/b.ini", 4001), file("d/b.ini", 4001, 0o644)}, "and the directory ROOT/d to uid 4002"},
		"a link of another":   {rules, []ownedEntry{link("a.ini", "b.ini", 4002), file("b.ini", 4001, 0o644)}, "belongs to uid 4001, and the link ROOT/a.ini to uid 4002"},
		"to root's file":      {operators, []ownedEntry{link("a.ini", "b.ini", 4001), file("b.ini", 0, 0o644)}, "belongs to uid 0, and the link ROOT/a.ini to uid 4001"},
		"links to links":      {rules, []ownedEntry{link("a.ini", "c", 4001), link("c", "ROOT/d/../b.ini", 4002), dir("d", 0, 0o755), file("b.ini", 4001, 0o644)}, "the link ROOT/c to uid 4002"},
		"no links":            {Owners{MinUID: 1000, NoFollow: true}, []ownedEntry{link("a.ini", "b.ini", 4001), file("b.ini", 4001, 0o644)}, "emperor-tyrant-nofollow refuses links"},
		"root's link to it":   {rules, []ownedEntry{link("a.ini", "b.ini", 0), file("b.ini", 4001, 0o644)}, ""},
		"a name for a shell":  {rules, []ownedEntry{dir("d", 4001, 0o755), link("a.ini", "d/$(id).ini", 4001), file("d/$(id).ini", 4001, 0o644)}, `the name "$(id).ini" has other characters`},
		"a name of an option": {rules, []ownedEntry{link("a.ini", "--x.ini", 4001), file("--x.ini", 4001, 0o644)}, "begins with a dash"},
		"a circle":            {rules, []ownedEntry{link("a.ini", "b.ini", 4001), link("b.ini", "a.ini", 4001)}, "too many levels of symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			root := owned(t, c.tree...)
			err := c.rules.Check(filepath.Join(root, "a.ini"))
			want := strings.ReplaceAll(c.want, "ROOT", root)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// TestSwappedPath: a path that leads to another file than the open one is neither file's.
func TestSwappedPath(t *testing.T) {
	root := owned(t, ownedEntry{path: "a.ini", uid: 4001, mode: 0o644}, ownedEntry{path: "b.ini", uid: 4001, mode: 0o644})
	other, err := os.Open(filepath.Join(root, "b.ini"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	rules := Owners{MinUID: 1000}
	if err := rules.judge(filepath.Join(root, "a.ini"), int(other.Fd())); !errors.Is(err, errBusy) {
		t.Errorf("got %v, want that it is read again", err)
	}
}

// TestRefusedOwner: the monitor reports the owner of a refused file, and no content.
func TestRefusedOwner(t *testing.T) {
	root := owned(t, ownedEntry{path: "a.ini", uid: 4001, mode: 0o644}, ownedEntry{path: "b.ini", uid: 33, mode: 0o644})
	m, err := NewDir(root, DirOptions{Log: slog.New(slog.DiscardHandler), Owners: &Owners{MinUID: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, m)
	set := r.next(t)
	if len(set) != 2 || set[0].Err != nil || set[0].UID != 4001 || !set[0].Owned {
		t.Fatalf("the set is %+v", set)
	}
	if b := set[1]; b.Err == nil || b.UID != 33 || !b.Owned || b.Data != nil {
		t.Errorf("the refused one is %+v", b)
	}
}
