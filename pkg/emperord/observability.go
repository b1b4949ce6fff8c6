package emperord

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/metrics"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// sight has the sockets by which others see and ask the emperor. All of them are optional: an
// emperor without them works.
type sight struct {
	claim     *control.Claim    // nil: no control socket
	stats     *control.Listener // nil: no statistics of uWSGI
	numbers   *control.Listener // nil: no metrics
	metrics   *metrics.Metrics
	meter     *control.Meter
	output    *output.Hub
	chronicle *control.Chronicle
	started   []hooks.Result // of hooks that ran before there was an emperor
	log       *slog.Logger
}

// look claims the runtime directory for the user that the emperor becomes.
func look(o *config.Emperor, log *slog.Logger) (*sight, error) {
	s := &sight{meter: &control.Meter{}, output: &output.Hub{Files: reads.New()}, chronicle: &control.Chronicle{}, log: log}
	s.chronicle.Gone = s.output.Forget
	uid, gid, err := becoming(o)
	if err != nil {
		return nil, err
	}
	s.claim, err = control.Take(o.RuntimeDir, uid, gid)
	if err := s.listen(o); err != nil {
		s.close()
		return nil, err
	}
	var held control.HeldError
	switch {
	case errors.As(err, &held):
		log.Warn("no control socket: another emperor has it", "error", err)
	case err != nil:
		log.Warn("no control socket", "error", err)
	}
	return s, nil
}

// listen opens the sockets for statistics.
func (s *sight) listen(o *config.Emperor) (err error) {
	if o.Stats != "" {
		if s.stats, err = control.Listen(o.Stats); err != nil {
			return o.Blame("emperor-stats", err)
		}
	}
	if o.Metrics != "" {
		if s.numbers, err = control.Listen(o.Metrics); err != nil {
			return o.Blame("metrics", err)
		}
	}
	return nil
}

// becoming returns the user and group that the emperor will have.
func becoming(o *config.Emperor) (uid, gid int, err error) {
	uid, gid = os.Geteuid(), os.Getegid()
	if o.UID.Set {
		id, err := accounts.UID(o.UID)
		if err != nil {
			return 0, 0, o.Blame("uid", err)
		}
		uid = int(id)
	}
	if o.GID.Set {
		id, err := accounts.GID(o.GID)
		if err != nil {
			return 0, 0, o.Blame("gid", err)
		}
		gid = int(id)
	}
	return uid, gid, nil
}

// notify returns the directory of the vassals' notification sockets.
func (s *sight) notify() string {
	if s.claim == nil {
		return ""
	}
	return s.claim.NotifyDir()
}

// serve answers until the function that it returns is called, also while the emperor stops,
// which it does when ctx ends: what holds up the end is seen then. Only questions are
// answered meanwhile. The function returns when the last answers are given.
func (s *sight) serve(ctx context.Context, e *emperor.Emperor, o *config.Emperor, gate *control.Gate, rescan func()) (end func()) {
	answering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	if s.numbers != nil {
		s.metrics = metrics.New(e, s.meter)
		s.chronicle.Told = s.metrics.Told
		for _, r := range s.started {
			s.metrics.Hook(r)
		}
	}
	go s.chronicle.Run(e.Follow())
	server := &control.Server{
		Emperor: e, Output: s.output, Chronicle: s.chronicle, Rescan: rescan, Meter: s.meter, Gate: gate, Log: s.log, Stopping: ctx.Done(),
		Info: control.Info{Version: config.Version, PID: os.Getpid(), Started: time.Now(), Monitors: o.Monitors, Namespaces: new(o.Clone.String())},
	}
	try := func(what string, serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil {
				s.log.Error("control socket stopped", "for", what, "error", err)
			}
		})
	}
	if s.claim != nil {
		go s.claim.Keep(ctx, s.log, func() { _ = e.Restore(ctx) })
		try("anything", func() error { return server.Run(answering, s.claim) })
	}
	if s.stats != nil {
		go s.stats.Keep(ctx, o.RuntimeDir, s.log)
		try("statistics", func() error { return server.ServeStats(answering, s.stats) })
	}
	if s.metrics != nil {
		go s.numbers.Keep(ctx, o.RuntimeDir, s.log)
		try("metrics", func() error { return s.metrics.Serve(answering, s.numbers) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// hook is called after each hook.
func (s *sight) hook(r hooks.Result) {
	if s.metrics != nil {
		s.metrics.Hook(r)
	}
}

// startHook is called after each hook before serve was called.
func (s *sight) startHook(r hooks.Result) { s.started = append(s.started, r) }

// close releases the runtime directory.
func (s *sight) close() {
	for _, l := range []*control.Listener{s.stats, s.numbers} {
		if l != nil {
			_ = l.Close()
		}
	}
	if s.claim != nil {
		s.claim.Close()
	}
}

const (
	// logPending is how many bytes of the log may wait for a slow reader.
	logPending = 4 << 20
	// logEnd is how long the end of the emperor waits for the reader.
	logEnd = termlog.LastWords
)

// ownLog returns the emperor's log, whose reader never blocks the emperor: standard error, or
// the file of its options.
func ownLog(o *config.Emperor) (*termlog.Queue, error) {
	var w io.Writer = os.Stderr
	if o.Process.Log.Path != "" {
		uid, gid, err := becoming(o)
		if err != nil {
			return nil, err
		}
		if w, err = openLog(o.Process.Log, uid, gid); err != nil {
			return nil, o.Blame(o.Process.Log.Option, err)
		}
	}
	return termlog.LogQueue(w, logPending, func(w io.Writer) slog.Handler { return handler(w, o, slog.LevelWarn) }), nil
}
