package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// care starts what looks after the emperor beside its work, until ctx ends.
func care(ctx context.Context, e *emperor.Emperor, o *config.Emperor, log *slog.Logger) {
	go relax(ctx, e)
	go measureRoom(o, log).watch(ctx, e)
	go warnOpen(o, log)
}

const (
	// calm is how long nothing must happen before memory is given back, and bustle
	// how many transitions are worth it.
	calm   = 3 * time.Second
	bustle = 100
)

// relax gives back to the kernel what many launches or ends have used and nobody
// needs any more, stacks above all, until ctx ends. It does nothing while nothing
// happens.
func relax(ctx context.Context, e *emperor.Emperor) {
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
