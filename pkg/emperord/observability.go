package emperord

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/metrics"
	"github.com/emperor-go/emperor/internal/passwords"
	"github.com/emperor-go/emperor/internal/webpage"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// sockets are the sockets by which others observe and control the emperor. All of them are
// optional: an emperor without them works.
type sockets struct {
	claim   *control.RuntimeDir // nil: no control socket
	stats   *control.Listener   // nil: no statistics of uWSGI
	scraped *control.Listener   // nil: no metrics
	metrics *metrics.Metrics    // nil without scraped
	web     *control.Listener   // nil: no page for browsers
	users   *passwords.File     // of the page; nil: no password is asked
	meter   *control.Meter
	groups  controlGroups
	// failures of the services of these sockets.
	failures *failures
	log      *slog.Logger
}

// openSockets claims the runtime directory for the user that the emperor becomes, and binds
// the sockets of the options, or takes over inherited ones. The collectors are served with the
// emperor's metrics.
func openSockets(o *config.Emperor, in inheritance, collectors []prometheus.Collector, log *slog.Logger) (_ *sockets, err error) {
	s := &sockets{meter: &control.Meter{}, failures: &failures{}, log: log}
	uid, gid, err := becoming(o)
	if err != nil {
		return nil, err
	}
	if s.groups, err = resolveControlGroups(o); err != nil {
		return nil, err
	}
	var unclaimed error
	s.claim, unclaimed = control.InheritRuntimeDir(o.RuntimeDir, uid, gid, in.runtimeDir)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err = s.permit(); err != nil {
		return nil, o.Blame("control-socket-group", err)
	}
	if o.Stats != "" {
		if s.stats, err = control.Listen(o.Stats, in.stats); err != nil {
			return nil, o.Blame("emperor-stats", err)
		}
	}
	if o.Metrics != "" {
		if s.scraped, err = control.Listen(o.Metrics, in.metrics); err != nil {
			return nil, o.Blame("metrics", err)
		}
		if s.metrics, err = metrics.New(s.meter, append(slices.Clone(collectors), s.failures)...); err != nil {
			return nil, err
		}
	}
	if o.Web.Address != "" {
		if err = s.openWeb(o, in.web); err != nil {
			return nil, err
		}
	}
	var held control.HeldError
	switch {
	case errors.As(unclaimed, &held):
		log.Warn("no control socket: another emperor has it", "error", unclaimed)
	case unclaimed != nil:
		log.Warn("no control socket", "error", unclaimed)
	}
	return s, nil
}

// openWeb binds the socket of the page, and reads its password file.
func (s *sockets) openWeb(o *config.Emperor, inherited *os.File) (err error) {
	if o.Web.Users != "" {
		s.users = &passwords.File{Path: o.Web.Users}
		if err := s.users.Refresh(); err != nil {
			return o.Blame("emperor-web-users", err)
		}
	}
	if s.web, err = control.ListenPrivate(o.Web.Address, inherited); err != nil {
		return o.Blame("emperor-web", err)
	}
	return nil
}

// listeners are the sockets apart from the control socket.
func (s *sockets) listeners() []*control.Listener {
	return []*control.Listener{s.stats, s.scraped, s.web}
}

// notifyDir returns the directory of the vassals' notification sockets.
func (s *sockets) notifyDir() string {
	if s.claim == nil {
		return ""
	}
	return s.claim.NotifyDir()
}

// keepers bind the sockets again when other processes remove their paths. quiet as in
// control.Kept.
func (s *sockets) keepers(e *emperor.Emperor, quiet string) (list []actor) {
	if s.claim != nil {
		list = append(list, task(func(ctx context.Context) {
			s.claim.Keep(ctx, s.log, func() { _ = e.Restore(ctx) }) // an error means that the emperor is ending
		}))
	}
	for _, l := range s.listeners() {
		if l != nil {
			list = append(list, task(func(ctx context.Context) { l.Keep(ctx, quiet, s.log) }))
		}
	}
	return list
}

// servers answer also while the emperor stops: clients then see the reason of a delay. Only
// questions are answered meanwhile.
func (s *sockets) servers(e *emperor.Emperor, answers *control.Server, page *webpage.Site) (list []actor) {
	add := func(actor, name string, serve func(context.Context) error, reopen func() error) {
		list = append(list, task(server{name, serve, reopen, s.failures.of(actor), s.log}.run))
	}
	if s.claim != nil {
		add(actorControl, "anything", func(ctx context.Context) error { return answers.Run(ctx, s.claim) }, s.claim.Reopen)
	}
	if s.stats != nil {
		add(actorStats, "statistics", func(ctx context.Context) error { return answers.ServeStats(ctx, s.stats) }, s.stats.Reopen)
	}
	if s.scraped != nil {
		add(actorMetrics, "metrics", func(ctx context.Context) error { return s.metrics.Serve(ctx, e, s.scraped) }, s.scraped.Reopen)
	}
	if s.web != nil {
		add(actorWeb, "the page", func(ctx context.Context) error { return page.Serve(ctx, s.web) }, s.web.Reopen)
	}
	return list
}

// close releases the runtime directory, and removes the sockets.
func (s *sockets) close() {
	for _, l := range s.listeners() {
		if l != nil {
			_ = l.Close()
		}
	}
	if s.claim != nil {
		s.claim.Close()
	}
}
