package emperord

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// calm is how long the emperor must be idle before memory is returned, and bustle the
	// number of transitions that makes it worthwhile.
	calm   = 3 * time.Second
	bustle = 100
)

// returnMemory returns unused memory to the kernel after many launches or ends, stacks above all,
// until ctx ends. It does nothing while the emperor is idle.
func returnMemory(ctx context.Context, e *emperor.Emperor) {
	_, transitions, err := e.Transitions(ctx)
	if err != nil {
		return
	}
	quiet := time.NewTimer(calm)
	defer quiet.Stop()
	for seen := 0; ; {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-transitions:
			if !ok {
				return
			}
			seen++
			quiet.Reset(calm)
		case <-quiet.C:
			if seen >= bustle {
				debug.FreeOSMemory()
			}
			seen = 0
		}
	}
}
