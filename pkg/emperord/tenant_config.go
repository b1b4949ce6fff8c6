package emperord

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// checkTenant is check for the file of a tenant in tyrant mode. The emperor acts on the operator's text
// and on the early lines of the tenant only; the rest is parsed for mistakes, which must not end a running
// vassal. wrong has the mistakes of the section [emperor].
func (r *reading) checkTenant(c monitor.Config, loader config.Loader, f emperor.Facts, wrong error) (emperor.Facts, error) {
	source := r.sourceOf(c)
	f.Tenant = true
	wrong = joined(wrong, r.sayToEmperor(c))
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
		f.Reads.Names, whole = first.Reads()
		f.Reads.More = !whole
		f.LogTo, f.Bounds.Kept = first.LogTo, config.Keeps(first)
		f.Files.Temporary = first.RuntimeDirectories(os.Geteuid())
		f.Fallback = mistakes != nil && first.Fallback != ""
		if p, ok := first.Exceeding(r.capabilities); ok {
			mistakes = joined(mistakes, config.Problems{p})
		}
	}
	f.Account = func() (namespaces.Credentials, error) {
		wish := accounts.Wish{UID: config.IdentityOf(c.UID), AddGID: first.AddGID, NoInitgroups: first.NoInitgroups || !r.tyrant.Initgroups}
		return wish.Resolve()
	}
	for _, w := range warnings {
		r.log.Debug(w.Error(), "vassal", c.Name)
	}
	f.Network, connection = r.network.Connection(first, true)
	f.Guest.At = first.OriginOf("network", f.Network.Mode.String()).String() + ": network:"
	f.Cgroup, limits = r.limits(first, c)
	limits = joined(limits, r.view(&f, first, c), r.profile(&f, first))
	return f, joined(wrong, mistakes, connection, limits)
}

// attributes returns the section for the emperor of a vassal's file, which a tenant's file does not have.
func (r *reading) attributes(c monitor.Config) map[string]string {
	source := r.sourceOf(c)
	if source.Tenant {
		return nil
	}
	return config.Attributes(source)
}

// sayToEmperor finds lines for the emperor in the file of a tenant.
func (r *reading) sayToEmperor(c monitor.Config) error {
	var problems config.Problems
	for name := range config.Attributes(r.sourceOf(c)) {
		if slices.Contains(r.attrs, name) && name != "" {
			problems.Add(config.Origin{File: c.Path}, name, "the emperor takes nothing from the section [emperor] of a tenant's file",
				"drop the line, or an option of the emperor for all vassals")
		}
	}
	return problems.Err()
}

// unowned refuses a vassal of tyrant mode that is root's although no rule has judged its owner: its monitor
// is not one of files.
func (r *reading) unowned(c monitor.Config) error {
	t := r.tyrant
	switch tenant := r.tenants(c); {
	case !t.On, tenant && c.UID >= t.MinUID, !tenant && t.Operator:
		return nil
	}
	return &monitor.OwnerError{
		Path: c.Path, UID: c.UID, What: fmt.Sprintf("belongs to uid %d, which has no vassals in tyrant mode", c.UID),
		Hint: "emperor-tyrant-uid-min, emperor-tyrant-root",
	}
}

// split divides variables into the ones that vassals get and all others.
func split(variables []string, passes func(name string) bool) (e environment) {
	e.own = []string{} // nil would be an unknown environment
	for _, v := range variables {
		name, _, _ := strings.Cut(v, "=")
		if _, option := environ.CutOption(name); option || passes(name) {
			e.own = append(e.own, v)
		} else {
			e.secrets = append(e.secrets, v)
		}
	}
	return e
}

// readOwned reads a file whose owner may have a vassal.
func (r *reading) readOwned(path string) ([]byte, error) {
	if r.tyrant.owners != nil {
		if err := r.tyrant.owners.Check(path); err != nil {
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
