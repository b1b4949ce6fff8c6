package emperor

import (
	"context"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// Inherited is a vassal of an earlier emperor, whose record Run puts in before the monitors start.
// Their first report is then compared with it like any other: the same configuration changes
// nothing, another one is a change of the file, and a vassal that is not reported is removed.
type Inherited struct {
	// Plan is the configuration in effect, and Monitor the index of its monitor in
	// Options.Monitors. Required.
	Plan    *Plan
	Monitor int
	// Process continues. The emperor owns it from here on. Nil: there is none, and the vassal
	// is launched when its monitor has reported it.
	Process Process
	// Generation is the number of the process, from 1. Accepting: it has reported that it
	// accepts requests; otherwise it boots.
	Generation uint64
	Accepting  bool
	// Held: the operator has stopped the vassal, which has no process.
	Held bool
}

// adopt puts in the records of Options.Inherited. The table sees the inputs that it would have seen
// at a launch.
func adopt(e *Emperor) {
	for _, i := range e.options.Inherited {
		v := newVassal(e, i.Plan.Name, i.Monitor)
		v.file.owner, v.wish.held = ownerOf(i.Plan), i.Held
		e.vassals.add(v)
		if i.Plan.Entry != (monitor.Entry{}) {
			e.vassals.place(v, i.Plan.Entry)
		}
		v.run.generation, v.history.launches = i.Generation, int(i.Generation)
		if i.Process == nil {
			continue
		}
		v.wish.wanted, v.run.config = i.Plan, i.Plan
		_, v.run.cancel = context.WithCancelCause(context.Background())
		v.move(Launching, &e.options)
		launched{generationOf{v, i.Generation}, i.Process, nil}.apply(e)
		if i.Accepting {
			e.input(v, Accepting)
		}
	}
}
