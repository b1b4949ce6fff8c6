package emperord

import (
	"log/slog"

	"github.com/emperor-go/emperor/internal/trace"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// tracer returns a function that sends traces of launches until the emperor ends. Without a receiver the function
// returns at once, and the emperor has no further reader. It is called before the emperor runs.
func tracer(o *config.Emperor, e *emperor.Emperor, log *slog.Logger) func() {
	if o.Trace == "" {
		return func() {}
	}
	x := &trace.Exporter{URL: o.Trace, Log: log}
	transitions := e.Follow()
	return func() { x.Run(transitions) }
}
