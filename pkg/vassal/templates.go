package vassal

import (
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign"
	"github.com/emperor-go/emperor/pkg/wire"
)

// input is what an order says to be configured by.
func (v *Vassal) input(order *wire.Order) config.Input {
	access := config.Own(foreign.Ask(v.ParserProgram))
	access.Dir = string(order.Dir) // also for a reload, behind chdir
	access.Held = len(v.inherited)+len(v.held) > 0
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
