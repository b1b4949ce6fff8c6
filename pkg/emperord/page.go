package emperord

import (
	"context"
	"log/slog"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/webpage"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// watched returns the log, whose warnings are kept when there is a page that shows them.
func watched(o *config.Emperor, log *slog.Logger) (*slog.Logger, *webpage.Warnings) {
	kept := &webpage.Warnings{}
	if o.Web.Address == "" {
		return log, kept
	}
	return slog.New(kept.Handler(log.Handler())), kept
}

// page returns the page for browsers, which asks the same server as the commands of operators.
func (g *gathered) page(e *emperor.Emperor, answers *control.Server, r *readers) *webpage.Site {
	return &webpage.Site{
		Facts: answers, Loop: e, Events: g.events, Warnings: g.input.warnings, Passwords: g.sockets.users, Reads: g.files, Hosts: g.input.options.Web.Hosts, Log: g.input.log,
		Settings: func(ctx context.Context, vassal string) ([]webpage.Setting, error) {
			plan, _, err := e.Configuration(ctx, vassal)
			if err != nil {
				return nil, err
			}
			return r.settings(ctx, plan)
		},
	}
}

// settings returns the options of a plan. It reads no file of the vassal again.
func (r *readers) settings(ctx context.Context, p emperor.Plan) ([]webpage.Setting, error) {
	now := r.current.Load()
	return reads.Get(ctx, now.reads, p.Path, func() ([]webpage.Setting, error) {
		loader := now.loader(p.Dir)
		if p.Templates != nil {
			loader.Templates = *p.Templates
		}
		v, _, err := loader.Vassal(now.sourceOf(p.Config))
		if err != nil {
			return nil, err
		}
		var list []webpage.Setting
		for _, s := range v.Settings(false) {
			list = append(list, webpage.Setting{Name: s.Name, Value: s.Value, Origin: s.Origin.String(), Secret: s.Secret})
		}
		return list, nil
	})
}
