package vassal

import (
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign"
	"github.com/emperor-go/emperor/pkg/wire"
)

// access returns the rights of this process for reading its configuration: all. Relative names
// start in the directory where the process was started. A stop of the boot interrupts slow
// reads.
func (v *Vassal) access() config.Access {
	access := config.Own(foreign.Ask(v.ParserProgram))
	access.Environ = v.readingEnviron(nil)
	access.Dir, access.Held = v.began, len(v.inherited)+len(v.held) > 0
	access.Until, access.Reading = v.boots, v.progress.reading
	return access
}

// input returns the configuration of an order.
func (v *Vassal) input(order *wire.Order) config.Input {
	access := v.access()
	access.Environ = v.readingEnviron(order)
	access.Dir = string(order.Dir) // also for a reload, after chdir
	in := config.Input{
		Source: config.Source{Name: string(order.Name), Path: string(order.Path), Data: order.Config},
		Access: access,
	}
	if t := order.Templates; t != nil {
		in.Templates = config.Templates{
			InheritBefore: sources(t.InheritBefore), IncludeBefore: sources(t.IncludeBefore),
			Inherit: sources(t.Inherit), Include: sources(t.Include), VassalMagic: t.VassalMagic,
		}
		for _, s := range t.Set {
			in.Templates.Set = append(in.Templates.Set, string(s))
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
