package emperord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/directboot"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// reading is the emperor's way of reading the configurations of vassals.
type reading struct {
	files config.TemplateFiles
	reads *reads.Pool // limits reads of files
	waits bool        // some of them are on demand
	held  *heldBack
	allow []string // options of hooks that the section [emperor] may give
	attrs []string // requested attributes of that section
	// refuseRoot: a vassal must name a user, because it would be root.
	refuseRoot bool
	// capabilities are all that vassals can have. Nil: no limit.
	capabilities *namespaces.Capabilities
	environ      environment
	wraps        process.Wrappers
	spaces
	network  config.Networking
	limiting config.Limiting
	tyrant   tenants
	cgroups  *namespaces.CgroupRoot // nil: vassals have none
	relaxed  *sync.Map              // controllers that are missed, and were reported
	log      *slog.Logger
	last     sync.Map // the templates of each directory that were read last, config.Templates
}

// tenants are the rules for vassals of tenants.
type tenants struct {
	config.Tyrant
	owners *monitor.Owners // nil: vassals do not run as the owners of their files
	// notify is the directory of notification sockets, in the runtime directory. Empty: there is none.
	notify string
}

// spaces are the namespaces of each vassal, and the ids of their user namespaces.
type spaces struct {
	clone namespaces.Flags
	ids   config.IDRanges
}

// environment has the variables with which vassals read their files: own are for every text, and secrets for
// the operator's only.
type environment struct{ own, secrets []string }

// readers have the reading in effect, which SIGHUP replaces, and the parts that stay.
type readers struct {
	current atomic.Pointer[reading]
	held    *heldBack
}

func (r *readers) check(c monitor.Config) (emperor.Facts, error) { return r.current.Load().check(c) }

func (r *readers) compare(was, is monitor.Config) emperor.Change {
	return r.current.Load().compare(was, is)
}

// check parses a vassal's configuration as the vassal will, logs warnings, and returns the
// facts that the emperor needs.
func (r *reading) check(c monitor.Config) (emperor.Facts, error) {
	if err := r.unowned(c); err != nil {
		return emperor.Facts{}, err
	}
	return r.checkText(c)
}

func (r *reading) checkText(c monitor.Config) (f emperor.Facts, err error) {
	c = r.located(c)
	loader, source := r.loader(c.Dir), r.sourceOf(c)
	f, wrong := r.ofEmperor(c)
	f.Bounds.All = r.capabilities
	if f.Network, err = r.network.Connection(&config.Vassal{}, false); err != nil { // without options there are no mistakes
		return f, err
	}
	if !r.files.None() {
		if loader.Templates, err = r.files.Read(c.Dir, vassalfiles.Bounded(r.reads)); err != nil {
			return f, err
		}
		r.last.Store(c.Dir, loader.Templates)
		around := loader.Templates
		f.Templates = &around
	}
	if source.Tenant {
		return r.checkTenant(c, loader, f, wrong)
	}
	if r.wraps.Becomes(f.Attributes) { // only the other program can parse the rest
		f.Reads.Names, err = loader.ExamineForeign(source, r.refuseRoot)
		v, bad := loader.ForeignLimits(source)
		f.Account = r.account(v)
		if bad == nil {
			f.Cgroup, bad = r.limits(v, c)
		}
		if bad == nil {
			bad = r.view(&f, v, c)
		}
		return f, joined(wrong, err, bad)
	}
	v, warnings, err := loader.Vassal(source)
	if err == nil && r.refuseRoot {
		if p, ok := v.Unnamed(c.Path); ok {
			err = config.Problems{p}
		}
	}
	if err == nil {
		if p, ok := v.Exceeding(r.capabilities); ok {
			err = config.Problems{p}
		}
	}
	if err == nil {
		f.Tenant = r.tenants(c)
		f.Network, err = r.network.Connection(v, f.Tenant)
		f.Guest.At = fmt.Sprintf("%s: network:", v.OriginOf("network", f.Network.Mode.String()))
		var limits error
		f.Cgroup, limits = r.limits(v, c)
		err = joined(err, limits, r.view(&f, v, c), r.profile(&f, v))
	}
	err = joined(wrong, err)
	level := slog.LevelDebug // the vassal will report them
	if err != nil {
		level = slog.LevelWarn // there is no vassal
	}
	for _, w := range warnings {
		r.log.Log(context.Background(), level, w.Error(), "vassal", c.Name)
	}
	if err == nil {
		for _, w := range inspect.HostInterfaces(v, r.clone) {
			r.log.Warn(w.Error(), "vassal", c.Name)
		}
		r.held.missedBy(c.Name, v)
		whole := false
		f.Reads.Names, whole = v.Reads()
		f.Reads.More = !whole
		if b := directboot.Of(v, warnings); b != nil {
			f.Direct = b
		}
		f.LogTo, f.Bounds.Kept = v.LogTo, config.Keeps(v)
		f.Account = r.account(v)
		f.Files.Temporary = v.RuntimeDirectories(os.Geteuid())
		f.Addresses, f.OwnNetwork = v.Addresses(), r.clone.Has(namespaces.NewNet)
		for _, a := range f.Addresses {
			f.Places = append(f.Places, r.placed(a, c.Dir))
		}
	} else if wrong == nil { // a vassal does not start without its hooks
		f.Fallback = loader.Fallback(source) != ""
		f.Reads.More = f.Fallback
	}
	return f, err
}

// account returns the look-up of a vassal's user. Nil: no user, or the emperor needs none.
func (r *reading) account(v *config.Vassal) func() (namespaces.Credentials, error) {
	wish := accounts.Wish{UID: v.UID, GID: v.GID, AddGID: v.AddGID, NoInitgroups: v.NoInitgroups}
	if wish.None() {
		return nil
	}
	return wish.Resolve
}

// tenants reports whether a tenant owns a vassal's file.
func (*reading) tenants(c monitor.Config) bool { return c.UID != 0 && int(c.UID) != os.Geteuid() }

// located is monitor.Config.Located; when a file system does not answer it changes nothing.
func (r *reading) located(c monitor.Config) monitor.Config {
	found, err := reads.Get(context.Background(), r.reads, c.Path, func() (monitor.Config, error) { return c.Located(), nil })
	if err != nil {
		return c
	}
	return found
}

// placed is address.Placed; when a file system does not answer it returns the zero value.
func (r *reading) placed(text, dir string) address.Place {
	place, _ := reads.Get(context.Background(), r.reads, address.In(dir, text), func() (address.Place, error) { return address.Placed(text, dir), nil })
	return place
}

// ofEmperor reads the section [emperor] of a vassal's file.
func (r *reading) ofEmperor(c monitor.Config) (f emperor.Facts, err error) {
	source := r.sourceOf(c)
	f.Attributes = r.attributes(c)
	maps.DeleteFunc(f.Attributes, func(name, _ string) bool { return !slices.Contains(r.attrs, name) })
	source.Tenant = r.tenants(c)
	set, warnings, err := config.AttributeHooks(source, r.allow)
	for _, w := range warnings {
		r.log.Warn(w.Error(), "vassal", c.Name)
	}
	if h, native := set.Native(); native && !hooks.IsNative {
		return f, joined(err, config.Problems{{
			Origin: config.Origin{File: c.Path}, Key: h.Spec().Option(), What: fmt.Sprintf("this emperor cannot call C functions, such as %q", h.Symbol()),
			Hint: "dlopen = LIBRARY among its own options",
		}})
	}
	f.Hooks = set
	return f, err
}

// joined joins errors in one list.
func joined(list ...error) error {
	var all config.Problems
	for _, err := range list {
		var problems config.Problems
		if err != nil && !errors.As(err, &problems) {
			return errors.Join(list...)
		}
		all = append(all, problems...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, config.ByPlace)
	return all
}

// loader reads the vassals of a directory as the emperor does, with the templates that were
// read last. It opens and runs nothing that a file names.
func (r *reading) loader(dir string) config.Loader {
	l := config.Loader{Allow: r.tyrant.Allow, Permissions: config.Permissions{
		Dir: dir, Environ: r.environ.own, Secrets: r.environ.secrets,
		Partial: true, Foreign: parser.Parse, Means: direct.Means(), Held: r.waits,
	}}
	if last, ok := r.last.Load(dir); ok {
		l.Templates = last.(config.Templates) // nothing else is stored
	}
	return l
}

// sourceOf is the configuration of a vassal as its monitor has read it.
func (r *reading) sourceOf(c monitor.Config) config.Source {
	return config.Source{Name: c.Name, Path: c.Path, Data: c.Data, Tenant: r.tyrant.On && r.tenants(c)}
}

// compare returns the class of a change, from the option tables. Both configurations have been
// checked: an invalid one is never compared.
func (r *reading) compare(was, is monitor.Config) emperor.Change {
	was, is = r.located(was), r.located(is)
	if r.becomes(was) || r.becomes(is) {
		return r.compareWrapped(was, is)
	}
	before, _, err := r.loader(was.Dir).Vassal(r.sourceOf(was))
	if err != nil {
		return emperor.Change{Respawn: true, Options: []string{err.Error()}}
	}
	after, _, err := r.loader(is.Dir).Vassal(r.sourceOf(is))
	if err != nil {
		return emperor.Change{Respawn: true, Options: []string{err.Error()}}
	}
	change := emperor.Change{Options: r.otherHooks(was, is)}
	change.Respawn = len(change.Options) > 0
	var mild []string
	live := r.network.Live(after)
	for _, d := range config.Diff(before, after) {
		switch {
		case d.Change == config.Respawn, d.Change == config.Live && !live:
			change.Respawn, change.Options = true, append(change.Options, d.Option)
		case d.Change == config.Live:
			change.Live = append(change.Live, d.Option)
		default:
			mild = append(mild, d.Option)
		}
	}
	if !change.Respawn {
		change.Options = mild
	}
	return change
}

// otherHooks lists the hooks of the emperor that differ between two files: they need a new
// process.
func (r *reading) otherHooks(was, is monitor.Config) (options []string) {
	text := func(c monitor.Config) map[string][]string {
		set, _, _ := config.AttributeHooks(r.sourceOf(c), r.allow)
		texts := map[string][]string{}
		for _, list := range set {
			for _, h := range list {
				texts[h.Spec().Option()] = append(texts[h.Spec().Option()], h.Spec().Text)
			}
		}
		return texts
	}
	before, after := text(was), text(is)
	for option := range before {
		if _, still := after[option]; !still {
			options = append(options, option)
		}
	}
	for option, list := range after {
		if !slices.Equal(before[option], list) {
			options = append(options, option)
		}
	}
	slices.Sort(options)
	return options
}

// becomes reports whether a vassal executes another program.
func (r *reading) becomes(c monitor.Config) bool {
	return r.wraps.Becomes(r.attributes(c))
}

// compareWrapped is for vassals that execute another program, which takes over any change
// except the program's own.
func (r *reading) compareWrapped(was, is monitor.Config) emperor.Change {
	options := append(r.otherHooks(was, is), r.otherFiles(was, is)...)
	before := r.attributes(was)
	after := r.attributes(is)
	for _, name := range []string{r.wraps.WrapperAttr, r.wraps.ChdirAttr} {
		if name != "" && before[name] != after[name] {
			options = append(options, name)
		}
	}
	if len(options) > 0 {
		return emperor.Change{Respawn: true, Options: options}
	}
	r.log.Debug("the program itself takes over the change", "vassal", is.Name)
	return r.otherLimits(was, is)
}
