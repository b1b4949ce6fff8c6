package vassal

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

// reader reads configurations, all with the same permissions and the same environment: a reload
// without a change gives the same result, whatever hooks and options have changed since.
type reader struct {
	args     []string        // the command line, the configuration of a vassal without an emperor
	programs *ownPrograms    // with vassal-helper, which reads YAML and XML and asks other hosts
	began    string          // the directory in which this process was started; relative names start there
	environ  []string        // of this process when it read its first configuration; nil: it has read none
	demand   bool            // sockets were passed to this process
	until    context.Context // interrupts slow reads
	reading  func(name string)
	// first is the first reading of a tenant's vassal, and recall what it has found, for the second one
	// of the boot; nil: there is none any more.
	first  *config.Vassal
	recall map[string]string
}

// loader reads the configuration of this process with all permissions.
func (r *reader) loader() config.Loader {
	all := config.FullPermissions(foreign.Ask(r.programs.helper, libexec.Parse), assist.Through(r.programs.helper))
	all.Environ = r.variables(nil)
	all.Dir, all.Held = r.began, r.demand
	all.Until, all.Reading = r.until, r.reading
	return config.Loader{Permissions: all}
}

// variables returns the environment for reading the configuration of an order, with the
// variables that the emperor sends only for that.
func (r *reader) variables(order *wire.Order) []string {
	if r.environ == nil {
		r.environ = os.Environ()
	}
	return slices.Concat(r.environ, heldBack(order))
}

// heldBack returns the variables of the emperor that this process does not have.
func heldBack(order *wire.Order) []string {
	if order == nil {
		return nil
	}
	return texts(order.Environ)
}

// ordered returns the configuration of an order, and its loader.
func (r *reader) ordered(order *wire.Order) (config.Loader, config.Source) {
	l := r.loader()
	l.Permissions.Environ = r.variables(order)
	l.Permissions.Dir = string(order.Dir) // also for a reload, after chdir
	l.OwnIDs = order.OwnIDs
	if order.Templates != nil {
		l.Templates = *order.Templates
	}
	if t := order.Tenant; t != nil {
		l.Permissions.Environ, l.Permissions.Secrets = r.variables(nil), heldBack(order)
		l.Permissions.Owner, l.Permissions.Recall = os.Geteuid() != 0, r.recall
		l.Allow, l.First = t.Allow, r.first
	}
	return l, config.Source{Name: string(order.Name), Path: string(order.Path), Data: order.Config, Tenant: order.Tenant != nil}
}

// operators makes the first reading of a tenant's vassal, or of its fallback.
func (r *reader) operators(s *source) (o *config.Vassal, warnings config.Problems, err error) {
	order := s.order
	if s.fallback != nil {
		if order, err = r.fallbackOrder(s); err != nil {
			return nil, nil, err
		}
	}
	r.recall = map[string]string{}
	l, file := r.ordered(order)
	return l.Operator(file)
}

// parse parses the configuration of an order; nil: the command line. For the order in effect
// it parses the fallback configuration in its place, if there is one.
func (r *reader) parse(s *source, order *wire.Order) (*config.Vassal, config.Problems, error) {
	switch {
	case s.fallback != nil && order == s.order:
		var err error
		if order, err = r.fallbackOrder(s); err != nil {
			return nil, nil, err
		}
	case order == nil:
		return r.loader().VassalArgs(r.args)
	}
	l, file := r.ordered(order)
	if file.Tenant && os.Geteuid() == 0 {
		return nil, nil, errRoot
	}
	return l.Vassal(file)
}

// fallbackOrder returns an order with the fallback configuration in effect, read again. The
// operator's templates apply to this file, too.
func (r *reader) fallbackOrder(s *source) (*wire.Order, error) {
	file := s.fallback.file
	var data []byte
	if s.tenant() == nil || os.Geteuid() != 0 { // a tenant's is read as the tenant
		var err error
		if data, err = readFallback(file); err != nil {
			return nil, err
		}
	}
	order := &wire.Order{
		Name: []byte(filepath.Base(file)), Path: []byte(file), Dir: []byte(filepath.Dir(file)), Config: data,
	}
	if s.order != nil {
		order.Templates, order.Environ = s.order.Templates, s.order.Environ
		order.Tenant, order.UID, order.GID = s.order.Tenant, s.order.UID, s.order.GID
	}
	return order, nil
}

// fallbackOf returns the fallback of the configuration in effect. Nil options: they cannot be
// parsed, and only the line with the fallback counts. Empty: none.
func (r *reader) fallbackOf(s *source, o *config.Vassal) string {
	order := s.order
	switch {
	case o != nil:
		return r.absolute(o.Fallback)
	case s.fallback != nil:
		var err error
		if order, err = r.fallbackOrder(s); err != nil {
			return ""
		}
	case order == nil:
		return r.absolute(r.loader().FallbackOfArgs(r.args))
	}
	l, file := r.ordered(order)
	if file.Tenant {
		first, _, err := l.Operator(file)
		if err != nil {
			return ""
		}
		return r.absolute(first.Fallback)
	}
	return r.absolute(l.Fallback(file))
}

// firstFile returns the first file of this program, or an empty string when it is not known.
func (r *reader) firstFile(s *source, o *config.Vassal) string {
	switch {
	case s.order != nil:
		return r.absolute(string(s.order.Path))
	case o != nil:
		return r.absolute(o.OriginOf("fallback-config", o.Fallback).File)
	}
	return ""
}

// absolute returns the path of a file that a configuration names; empty for an empty name.
func (r *reader) absolute(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(r.began, file)
}
