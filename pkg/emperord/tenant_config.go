package emperord

import (
	"io/fs"
	"os"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// checkTenant is check for the file of a tenant in tyrant mode. The emperor acts on the operator's text
// and on the early lines of the tenant only; the rest is parsed for mistakes, which must not end a running
// vassal. wrong has those of the section [emperor].
func (r *reading) checkTenant(c monitor.Config, loader config.Loader, f emperor.Facts, wrong error) (emperor.Facts, error) {
	source := r.sourceOf(c)
	f.Tenant = true
	first, warnings, err := loader.Operator(source)
	if err != nil {
		return f, joined(wrong, err)
	}
	var mistakes, connection, limits error
	if r.wraps.Becomes(f.Attributes) { // only the other program can parse the rest, as the tenant
		_, mistakes = loader.ExamineForeign(source, false)
	} else {
		mistakes = r.parseTenant(c, loader, first, &f)
		whole := false
		f.Reads, whole = first.Reads()
		f.ReadsMore = !whole
		f.LogTo = first.LogTo
		f.Temporary = first.RuntimeDirectories(os.Geteuid())
		f.Fallback = mistakes != nil && first.Fallback != ""
		if p, ok := first.Exceeding(r.capabilities); ok {
			mistakes = joined(mistakes, config.Problems{p})
		}
	}
	f.Account = func() (namespaces.Credentials, error) {
		wish := accounts.Wish{UID: config.IdentityOf(c.UID), AddGID: first.AddGID, NoInitgroups: first.NoInitgroups || !r.tyrant.Initgroups}
		return wish.Resolve()
	}
	first.EachDirectory(func(path string, mode fs.FileMode) {
		f.Directories = append(f.Directories, emperor.Directory{Path: path, Mode: uint32(mode)})
	})
	for _, w := range warnings {
		r.log.Debug(w.Error(), "vassal", c.Name)
	}
	f.Network, connection = r.network.Connection(first, true)
	f.JoinAt = first.OriginOf("network", f.Network.Mode.String()).String() + ": network:"
	f.Cgroup, limits = r.limits(first, c)
	return f, joined(wrong, mistakes, connection, limits)
}

// readOwned reads a file whose owner may have a vassal.
func (r *reading) readOwned(path string) ([]byte, error) {
	if r.owners != nil {
		if err := r.owners.Check(path); err != nil {
			return nil, err
		}
	}
	return monitor.Read(path)
}

// parseTenant parses the whole text for mistakes, and for the addresses that the vassal will bind.
func (r *reading) parseTenant(c monitor.Config, loader config.Loader, first *config.Vassal, f *emperor.Facts) error {
	loader.First = first
	v, _, err := loader.Vassal(r.sourceOf(c))
	if err != nil {
		return err
	}
	for _, w := range inspect.HostInterfaces(first, r.clone) {
		r.log.Warn(w.Error(), "vassal", c.Name)
	}
	r.held.missedBy(c.Name, first)
	f.Addresses, f.OwnNetwork = v.Addresses(), r.clone.Has(namespaces.NewNet) // without Places: no path of a tenant is looked up
	return nil
}
