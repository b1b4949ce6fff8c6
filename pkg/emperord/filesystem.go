package emperord

import (
	"io/fs"
	"os"
	"slices"
	"strconv"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// view adds a vassal's view of the file system to its facts, which have its limits already. The home of a tenant stays as it is.
func (r *reading) view(f *emperor.Facts, v *config.Vassal, c monitor.Config) error {
	if r.becomes(c) && !f.Tenant { // the program changes its root directory itself
		v.Files.Root = nil
	}
	if p, ok := config.Unmountable(v, r.clone); ok {
		return config.Problems{p}
	}
	if p, ok := config.Shared(v, r.clone); ok {
		return config.Problems{p}
	}
	f.NetNS = emperor.NamedNetwork{Name: v.Namespaces.Network, At: v.Origin("ns-net").String() + ": ns-net:"}
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
	if f.Tenant {
		own = append(own, accounts.LoginOf(c.UID).Home)
	}
	if !v.Files.None() && r.clone.Has(namespaces.NewMount) {
		f.Files.System, f.Files.Proc = v.Files.View(own, memoryOf(f.Cgroup)), v.Files.Proc
	}
	return nil
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
