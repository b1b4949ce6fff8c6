package workers

import (
	"context"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// fileWatch watches the files that a plan names.
type fileWatch struct {
	*base
	cancel context.CancelFunc // nil: nothing is watched
}

// follow watches exactly the files of the plan in effect.
func (f *fileWatch) follow() {
	f.end()
	p := f.plan
	files := append(append([]string{}, p.Triggers.Touch...), p.Triggers.Chain...)
	for _, h := range p.Hooks[hooks.Touch] {
		files = append(files, h.Subject())
	}
	for _, d := range p.Daemons {
		files = append(files, d.Touch...)
	}
	if len(files)+len(p.Triggers.Trees) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	if err := f.system.Watch(ctx, files, p.Triggers.Trees, f.post); err != nil {
		f.log.Error("cannot watch for changes: reload by hand", "error", err)
	}
}

// end ends the watch; without one it does nothing.
func (f *fileWatch) end() {
	if f.cancel != nil {
		f.cancel()
		f.cancel = nil
	}
}
