package emperord

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// view adds a vassal's view of the file system to its facts, which have its limits already. The home of a tenant stays as it is.
func (r *reading) view(f *emperor.Facts, v *config.Vassal, c monitor.Config) error {
	if r.becomes(c) && !f.Tenant { // the program changes its root directory itself
		v.Files.Root, v.Namespaces.Join = nil, ""
	}
	if p, ok := config.Unmountable(v, r.clone); ok {
		return config.Problems{p}
	}
	if p, ok := config.Shared(v, r.clone); ok {
		return config.Problems{p}
	}
	if p, ok := config.Unmapped(v, r.ids.Given()); ok {
		return config.Problems{p}
	}
	f.Files.PrivateIDs = v.Files.PrivateIDs
	if v.Namespaces.Network != "" {
		f.Guest = emperor.Guest{NetNS: v.Namespaces.Network, At: v.Origin("ns-net").String() + ": ns-net:"}
	}
	if v.Namespaces.Join != "" {
		f.Guest = emperor.Guest{Joins: v.Namespaces.Join, Keeps: v.Namespaces.Needed, At: v.Origin("setns").String() + ": setns:"}
	}
	uid, home := os.Geteuid(), ""
	if uid != 0 {
		home = accounts.LoginOf(uint32(uid)).Home
	}
	var own []string
	v.EachDirectory(uid, home, func(path string, mode fs.FileMode) {
		own = append(own, path)
		f.Files.Directories = append(f.Files.Directories, emperor.Directory{Path: path, Mode: uint32(mode)})
	})
	f.Files.Make = r.ids.Given() || v.Files.ReadOnlyRoot() && r.clone.Has(namespaces.NewMount)
	tenant := r.sourceOf(c).Tenant // in tyrant mode: without it each line is the operator's, also in a file of another user
	if tenant {
		own = r.home(v, own, accounts.LoginOf(c.UID).Home)
	}
	if !v.Files.None() && r.clone.Has(namespaces.NewMount) {
		f.Files.System, f.Files.Proc = v.Files.View(own, memoryOf(f.Cgroup)), v.Files.Proc
	}
	if tenant && r.clone.Has(namespaces.NewMount) {
		f.Files.System.Places = append(f.Files.System.Places, r.hidden(v, c)...)
	}
	return nil
}

// home keeps the home of a tenant as it is: it is among the vassal's own directories, or bound with other owners where the tenant's user is
// another one on the host.
func (r *reading) home(v *config.Vassal, own []string, home string) []string {
	if !v.Files.PrivateIDs || strings.Trim(home, "/") == "" {
		return append(own, home)
	}
	v.Files.Places = append(v.Files.Places, namespaces.Place{
		Kind: namespaces.Bind, Source: home, Path: home, Recursive: true, Optional: true, Where: "private-ids: the home of the owner",
	})
	return own
}

// hidden returns the directories of the emperor that a tenant's vassal does not see. One is the runtime
// directory, but for the sockets for notifications. The other is the directory of vassals. That one stays
// visible if it is the tenant's own, if a program of the operator reads its file there, or if it lies directly
// below the root directory, where it may contain anything. A read-write-paths of the operator makes both
// visible.
func (r *reading) hidden(v *config.Vassal, c monitor.Config) (list []namespaces.Place) {
	add := func(path string, visible ...string) {
		shown := slices.ContainsFunc(v.Files.Places, func(p namespaces.Place) bool {
			return p.Kind == namespaces.ReadWrite && within(path, p.Path)
		})
		if shown || strings.Count(path, "/") < 2 {
			return
		}
		list = append(list, namespaces.Place{Kind: namespaces.Inaccessible, Path: path, Optional: true, Where: "emperor-tyrant"})
		for _, path := range visible {
			list = append(list, namespaces.Place{Kind: namespaces.ReadWrite, Path: path, Optional: true, Where: "emperor-tyrant"})
		}
	}
	if r.tyrant.notify != "" {
		add(filepath.Dir(r.tyrant.notify), r.tyrant.notify)
	}
	if !filepath.IsAbs(c.Dir) || r.becomes(c) {
		return list
	}
	info, err := reads.Get(context.Background(), r.reads, c.Dir, func() (os.FileInfo, error) { return os.Stat(c.Dir) })
	if err != nil {
		return list // nothing can be read there
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid != c.UID {
		add(filepath.Clean(c.Dir))
	}
	return list
}

// within reports whether a path is another one, or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// memoryOf returns the memory-max of a cgroup in bytes. Zero: none.
func memoryOf(wish namespaces.CgroupWish) uint64 {
	i := slices.IndexFunc(wish.Limits, func(l namespaces.CgroupLimit) bool { return l.File == "memory.max" })
	if i < 0 {
		return 0
	}
	n, err := strconv.ParseUint(wish.Limits[i].Value, 10, 64)
	if err != nil {
		return 0 // it is no limit: max
	}
	return n
}

// otherFiles lists the options about files that differ between two files of a program of the operator.
func (r *reading) otherFiles(was, is monitor.Config) []string {
	before, err := r.loader(was.Dir).ForeignLimits(r.sourceOf(was))
	after, bad := r.loader(is.Dir).ForeignLimits(r.sourceOf(is))
	if err != nil || bad != nil {
		return nil // a mistake is reported by the check
	}
	return config.DiffFiles(before, after)
}
