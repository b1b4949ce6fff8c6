package process

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Start runs the hooks of the emperor's own start. An error means that the emperor must not
// start.
func (l *Launcher) Start(ctx context.Context, log *slog.Logger) error {
	run := hooks.Runner{Timeout: l.Hooks.Timeout, Shells: l.Hooks.Shells, Log: log, Observe: l.Hooks.Observe, Cgroups: l.Cgroups, Lookup: l.Hooks.Lookup}
	run.Dir, run.Vars = "/", l.Environ.Own
	return run.Run(ctx, hooks.EmperorStart, l.Hooks.Set[hooks.EmperorStart])
}

// runner returns the runner for the hooks of one generation. Before the clone and after the
// end there is no child.
func (l *Launcher) runner(r emperor.Request, c *child) hooks.Runner {
	run := hooks.Runner{Timeout: l.Hooks.Timeout, Shells: l.Hooks.Shells, Log: r.Log, Context: r.Config.Name, Begin: r.Hooking, Observe: r.Hooked, Cgroups: l.Cgroups, Lookup: l.Hooks.Lookup}
	dir := l.workingDirectory(r)
	run.Dir = dir
	run.Subject = hooks.Subject{Name: r.Config.Name, UID: r.Config.UID, GID: r.Config.GID}
	if c != nil {
		run.Subject.PID = c.PID()
		run.Join = l.joiner(c, run.Subject).Join
	}
	run.Vars = append(slices.Clone(l.Environ.Own), l.vassalVars(r, dir, run.Subject.PID)...)
	if c != nil {
		run.Vars = append(run.Vars, c.Attachment().Vars()...)
	}
	return run
}

// joiner runs hooks in the namespaces of a child.
func (l *Launcher) joiner(c *child, who hooks.Subject) hooks.Joiner {
	return hooks.Joiner{
		Program: l.Programs.at(), Environ: l.Environ.Own, Of: c.resources.process, Subject: who, Shells: l.Hooks.Shells, Libraries: l.Hooks.Libraries, Cgroups: l.Cgroups,
	}
}

// vassalVars returns the variables of hooks about a vassal with that working directory: uWSGI's
// and ours.
func (l *Launcher) vassalVars(r emperor.Request, dir string, pid int) []string {
	vars := []string{
		"UWSGI_VASSAL_CONFIG=" + r.Config.Name,
		"UWSGI_VASSAL_NAME=" + r.Config.Name,
		"UWSGI_VASSAL_UID=" + strconv.FormatUint(uint64(r.Config.UID), 10),
		"UWSGI_VASSAL_GID=" + strconv.FormatUint(uint64(r.Config.GID), 10),
		"UWSGI_VASSAL_GENERATION=" + strconv.FormatUint(r.Generation, 10),
		"UWSGI_VASSALS_DIR=" + dir,
	}
	if pid == 0 {
		return vars
	}
	vars = append(vars, "UWSGI_VASSAL_PID="+strconv.Itoa(pid))
	if l.Clone.Has(namespaces.NewNet) {
		vars = append(vars, fmt.Sprintf("UWSGI_VASSAL_NETNS=/proc/%d/ns/net", pid))
	}
	return vars
}

// hooksBeforeClone runs the hooks before the clone.
func (l *Launcher) hooksBeforeClone(ctx context.Context, r emperor.Request) error {
	list := l.Hooks.of(r, hooks.AsEmperorBeforeVassal)
	return l.Hooks.inTurn(ctx, r, len(list), func() error { return l.runner(r, nil).Run(ctx, hooks.AsEmperorBeforeVassal, list) })
}

// hooksAfterClone runs the hooks after the clone. The pid in their environment cannot name another
// process: the child is not reaped before they are done.
func (l *Launcher) hooksAfterClone(ctx context.Context, r emperor.Request, c *child) error {
	first, second := l.Hooks.of(r, hooks.AsEmperor), l.Hooks.of(r, hooks.AsEmperorSetns)
	if len(first)+len(second) == 0 {
		return nil
	}
	run := l.runner(r, c)
	return l.Hooks.inTurn(ctx, r, len(first)+len(second), func() error {
		return c.resources.linking(!l.linksLate(r), func() error {
			if err := run.Run(ctx, hooks.AsEmperor, first); err != nil {
				return err
			}
			return run.Run(ctx, hooks.AsEmperorSetns, second)
		})
	})
}

// Waiting implements WaitObserver: it runs the hooks of an on-demand vassal that starts to wait,
// and Changed the hooks of one whose configuration has changed while it waits. Failures are
// logged.
func (l *Launcher) Waiting(ctx context.Context, r emperor.Request) {
	l.runHooks(ctx, r, nil, hooks.AsOnDemandVassal)
}

// Changed implements WaitObserver.
func (l *Launcher) Changed(ctx context.Context, r emperor.Request) {
	l.runHooks(ctx, r, nil, hooks.AsOnConfigVassal)
}

// runHooks runs the hooks of phases without a child, in one turn.
func (l *Launcher) runHooks(ctx context.Context, r emperor.Request, vars []string, phases ...hooks.Phase) {
	count := 0
	for _, p := range phases {
		count += len(l.Hooks.of(r, p))
	}
	if count == 0 {
		return
	}
	run := l.runner(r, nil)
	run.Vars = append(run.Vars, vars...)
	_ = l.Hooks.inTurn(ctx, r, count, func() error {
		for _, p := range phases {
			run.Logged(ctx, p, l.Hooks.of(r, p))
		}
		return nil
	})
}

// The causes of a generation's end, for hooks.
const (
	causeStopped = "stopped"
	causeFailed  = "failed"
	causeLaunch  = "launch-failed"
)

// launchFailed runs the hooks of a failed launch, unless it was cancelled.
func (l *Launcher) launchFailed(ctx context.Context, r emperor.Request) {
	if ctx.Err() == nil {
		l.runHooks(ctx, r, []string{"UWSGI_VASSAL_EXIT_CAUSE=" + causeLaunch}, hooks.OnVassalFailed)
	}
}

// life is the state of a child for its hooks. A child that was never released has an empty
// life, and no such hooks.
type life struct {
	launcher *Launcher
	about    emperor.Request
	since    time.Time
	asked    atomic.Bool // to stop, or killed
	status   namespaces.ExitStatus

	early *companion // the as-emperor hooks, when the vassal did not wait for them
	once  sync.Once
	ready *companion // the hooks of its readiness; nil: it was not ready

	admitted sync.Once // the clients that waited for it

	probing sync.Once
	probe   *companion // tests whether the program that it executed is ready
}

// companion runs while a vassal runs and must end with it: hooks that know its pid. Nil: none.
type companion struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startCompanion starts run.
func startCompanion(run func(context.Context)) *companion {
	ctx, cancel := context.WithCancel(context.Background())
	c := &companion{cancel, make(chan struct{})}
	go func() {
		defer close(c.done)
		run(ctx)
	}()
	return c
}

// wait returns when it has ended by itself.
func (c *companion) wait() {
	if c != nil {
		<-c.done
	}
}

// end ends it, and returns then.
func (c *companion) end() {
	if c != nil {
		c.cancel()
		<-c.done
	}
}

// observe runs the hooks of a vassal that has become ready, once and concurrently.
func (l *life) observe(c *child, m emperor.Message) {
	n, _ := m.(emperor.Notification)
	if m != emperor.Message(wire.Accepting) && !n.Ready || l.launcher == nil {
		return
	}
	c.admit()
	if c.boot.by == nil || c.movedByHooks() { // the vassal program can also have moved
		c.rememberCgroup(true)
	}
	list := l.launcher.Hooks.of(l.about, hooks.OnVassalReady)
	if len(list) == 0 && !l.launcher.linksLate(l.about) {
		return
	}
	l.once.Do(func() {
		l.ready = startCompanion(func(ctx context.Context) {
			_ = c.resources.linking(true, func() error {
				err := l.launcher.Hooks.inTurn(ctx, l.about, len(list), func() error {
					l.launcher.runner(l.about, c).Logged(ctx, hooks.OnVassalReady, list)
					return nil
				})
				l.early.wait() // only one of them at a time records links
				return err
			})
		})
	})
}

// over ends the hooks that run while the vassal runs: it is dead, and its pid in their
// environment must not name another process.
func (l *life) over() {
	l.early.end()
	l.probe.end()
	l.ready.end()
}

// ended runs the hooks of a death, after everything of the vassal is gone, unless ctx ends.
func (l *life) ended(ctx context.Context, c *child) {
	if l.launcher == nil {
		return
	}
	cause := causeFailed
	if l.asked.Load() {
		cause = causeStopped
	}
	vars := []string{
		"UWSGI_VASSAL_PID=" + strconv.Itoa(c.PID()),
		"UWSGI_VASSAL_EXIT_CAUSE=" + cause,
		"UWSGI_VASSAL_EXIT_CODE=", "UWSGI_VASSAL_EXIT_SIGNAL=",
		"UWSGI_VASSAL_UPTIME=" + strconv.FormatFloat(time.Since(l.since).Seconds(), 'f', 3, 64),
	}
	vars = append(vars, c.Attachment().Vars()...)
	if l.status.Signal != 0 {
		vars[3] += strconv.Itoa(int(l.status.Signal))
	} else {
		vars[2] += strconv.Itoa(l.status.Code)
	}
	phases := []hooks.Phase{hooks.VassalsStop, hooks.AsEmperorAfterVassal}
	if cause == causeFailed {
		phases = slices.Insert(phases, 0, hooks.OnVassalFailed)
	}
	l.launcher.runHooks(ctx, l.about, vars, phases...)
}
