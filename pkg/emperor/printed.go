package emperor

import (
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/emperor/output"
)

// print passes on what the vassal and all it started print, until nobody can
// print any more. It never waits for where that goes, so the vassal does not
// either.
func (c *child) print() {
	defer close(c.silent)
	if c.system == nil || c.system.Output == nil {
		termlog.Lines(c.output, 0, func(line string) { c.log.Info(line) })
		return
	}
	sink := c.system.Output.Open(output.Vassal{Name: c.request.Name, UID: c.request.UID, To: c.request.LogTo, Log: c.log})
	defer sink.Close()
	termlog.Lines(c.output, 0, sink.Line)
}
