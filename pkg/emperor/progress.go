package emperor

import (
	"context"
)

// Progress is the progress of an emperor's start and reloads.
type Progress struct {
	// Begun: every monitor has reported once, and no vassal of these reports is still being
	// read or waits for its launch. A long launch is not waited for.
	Begun bool
	// Rolling: vassals are being reloaded, or wait for it.
	Rolling bool
	// Rolls is how often all were asked to reload.
	Rolls int
	// Vassals is their number.
	Vassals int
}

// Progress asks the loop, which answers at once: the time for the answer is the latency of any
// event.
func (e *Emperor) Progress(ctx context.Context) (p Progress, err error) {
	err = e.ask(ctx, func() {
		p.Vassals = len(e.vassals.named)
		p.Begun = len(e.sets) == len(e.options.Monitors) && e.line.empty()
		p.Rolling, p.Rolls = e.round.rolling(), e.round.begun
		p.Begun = p.Begun && !e.vassals.reading()
	})
	return p, err
}
