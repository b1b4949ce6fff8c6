package emperord

import (
	"context"
	"errors"
	"strings"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// errPrinted refuses to run a tenant's program for a question.
var errPrinted = errors.New("its configuration is printed by a program, which only a reload runs")

// changes implements control.Server.Changes.
func (r *readers) changes(ctx context.Context, was emperor.Plan) (c control.Changes, err error) {
	if was.Printed {
		return c, errPrinted
	}
	now, is := r.current.Load(), was.Config
	if strings.Contains(is.Path, "/") { // others have no file
		is.Data, err = reads.Get(ctx, now.reads, is.Path, func() ([]byte, error) { return now.readOwned(is.Path) })
	}
	if err != nil {
		c.Mistakes = []string{is.Path + ": " + cause.Of(err).Error()}
		return c, nil
	}
	facts, err := now.check(is)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			c.Mistakes = append(c.Mistakes, p.Error())
		}
		return c, nil
	case err != nil:
		return c, err
	}
	c = now.differences(was, is)
	c.Partial = facts.Reads.More || len(facts.Reads.Names) > 0
	return c, nil
}

// differences classifies the differences between two valid configurations.
func (r *reading) differences(was emperor.Plan, is monitor.Config) (c control.Changes) {
	from, to := r.located(was.Config), r.located(is)
	if r.becomes(from) || r.becomes(to) {
		c.Options = respawns(r.compareWrapped(from, to).Options)
		return c
	}
	before, after := r.loader(from.Dir), r.loader(to.Dir)
	if was.Templates != nil {
		before.Templates = *was.Templates
	}
	old, _, wrong := before.Vassal(r.sourceOf(from))
	latest, _, err := after.Vassal(r.sourceOf(to))
	if wrong != nil || err != nil { // both were valid when they were checked
		return c
	}
	for _, d := range config.Diff(old, latest) {
		c.Options = append(c.Options, control.OptionChange{Option: d.Option, Was: d.Old, Is: d.New, Effect: effects[d.Change]})
	}
	c.Options = append(c.Options, respawns(r.otherHooks(from, to))...)
	return c
}

func respawns(options []string) (list []control.OptionChange) {
	for _, name := range options {
		list = append(list, control.OptionChange{Option: name, Effect: control.EffectRespawn})
	}
	return list
}

var effects = map[config.Change]control.Effect{
	config.Respawn: control.EffectRespawn, config.Live: control.EffectLive, config.Reload: control.EffectReload,
}
