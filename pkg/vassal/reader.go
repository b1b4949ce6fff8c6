package vassal

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign"
	"github.com/emperor-go/emperor/pkg/wire"
)

// reader reads configurations, all with the same rights and the same environment: a reload
// without a change gives the same result, whatever hooks and options have changed since.
type reader struct {
	args    []string        // the command line, the configuration of a vassal without an emperor
	parser  string          // the path of the program that reads YAML and XML
	began   string          // the directory in which this process was started; relative names start there
	environ []string        // of this process when it read its first configuration; nil: it has read none
	demand  bool            // sockets were passed to this process
	until   context.Context // interrupts slow reads
	reading func(name string)
}

// access returns the rights of this process for reading its configuration: all.
func (r *reader) access() config.Access {
	access := config.Own(foreign.Ask(r.parser))
	access.Environ = r.variables(nil)
	access.Dir, access.Held = r.began, r.demand
	access.Until, access.Reading = r.until, r.reading
	return access
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

// input returns the configuration of an order.
func (r *reader) input(order *wire.Order) config.Input {
	access := r.access()
	access.Environ = r.variables(order)
	access.Dir = string(order.Dir) // also for a reload, after chdir
	in := config.Input{
		Source: config.Source{Name: string(order.Name), Path: string(order.Path), Data: order.Config},
		Access: access,
	}
	if t := order.Templates; t != nil {
		in.Templates = config.Templates{
			InheritBefore: sources(t.InheritBefore), IncludeBefore: sources(t.IncludeBefore),
			Inherit: sources(t.Inherit), Include: sources(t.Include), VassalMagic: t.VassalMagic,
			Set: texts(t.Set),
		}
	}
	return in
}

func sources(list []wire.Template) []config.Source {
	var all []config.Source
	for _, t := range list {
		all = append(all, config.Source{Name: string(t.Name), Path: string(t.Path), Data: t.Data})
	}
	return all
}

// parse parses the configuration of an order; nil: the command line. For the order in effect
// it parses the fallback configuration in its place, if there is one.
func (r *reader) parse(s *source, order *wire.Order) (*config.Vassal, config.Problems, error) {
	switch {
	case s.fallback != nil && order == s.order:
		in, err := r.fallbackInput(s)
		if err != nil {
			return nil, nil, err
		}
		return in.Parse()
	case order == nil:
		return r.access().ParseVassalArgs(r.args)
	}
	return r.input(order).Parse()
}

// fallbackInput reads the fallback configuration in effect. The operator's templates apply to
// this file, too.
func (r *reader) fallbackInput(s *source) (config.Input, error) {
	file := s.fallback.file
	data, err := readFallback(file)
	if err != nil {
		return config.Input{}, err
	}
	order := wire.Order{
		Name: []byte(filepath.Base(file)), Path: []byte(file), Dir: []byte(filepath.Dir(file)), Config: data,
	}
	if s.order != nil {
		order.Templates, order.Environ = s.order.Templates, s.order.Environ
	}
	return r.input(&order), nil
}

// fallbackOf returns the fallback of a configuration that cannot be parsed. Empty: none.
func (r *reader) fallbackOf(s *source) string {
	switch {
	case s.fallback != nil:
		in, err := r.fallbackInput(s)
		if err != nil {
			return ""
		}
		return in.FallbackOf()
	case s.order != nil:
		return r.input(s.order).FallbackOf()
	}
	return r.access().FallbackOfArgs(r.args)
}

// absolute returns the path of a file that a configuration names; empty for an empty name.
func (r *reader) absolute(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(r.began, file)
}
