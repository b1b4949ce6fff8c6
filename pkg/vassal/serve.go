package vassal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// serve supervises the workers until this process is told to stop. The vassal is
// the parent of all orphans in its namespace, or makes itself that, and reaps
// them.
func (v *Vassal) serve() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot adopt orphans: %w", err)
	}
	plan, err := v.planOf(v.options, v.sets)
	if err != nil {
		return err
	}
	o := workers.Options{
		Plan: plan, Read: v.reread, System: &workers.Processes{Self: v.SelfProgram}, Signals: v.signals, Commands: v.commands,
		Orders: v.laterOrders(), Report: v.tell, Answer: v.answer, Again: v.wished, Mourn: v.mourn, Gap: v.gap, Parted: v.parted, Log: v.Log,
	}
	if v.order != nil {
		o.Serial, o.Trial = v.order.Serial, v.order.Trial
	}
	v.serving = true
	outset.Reserve(threads)
	v.progress.at("the workers", false)
	err = workers.Run(o)
	endOrphans(outlasting(v.options.Daemons))
	return err
}

// threads is how many a master has beside its first: for what starts, ends and checks
// workers, and one that nothing else needs. It lives on when there are no more to be
// had, whatever its workers do.
const threads = 4

// tell reports to the emperor. That it is gone shows in another place.
func (v *Vassal) tell(r wire.Report) {
	if r == wire.Accepting {
		v.progress.end()
	}
	if err := v.pipe.report(r); err != nil {
		v.Log.Debug("the emperor does not listen", "error", err)
	}
}

// phase returns a function that runs the hooks of a phase while the vassal serves: all
// of them, or those of one file. The hooks of the end belong to a configuration that
// is left: they run in its directory and environment, which are those of now.
func (v *Vassal) phase(o *config.Vassal, p hooks.Phase, file string) func() error {
	if p != hooks.AsUserAtexit {
		return func() error { return phaseBy(v.runner(o), o, p, file) }
	}
	run := v.runner(o)
	run.Dir, _ = os.Getwd()
	return func() error { return phaseBy(run, o, p, file) }
}

// phaseBy runs the hooks of a phase. Those of what cannot be undone any more are only
// logged.
func phaseBy(run hooks.Runner, o *config.Vassal, p hooks.Phase, file string) error {
	list := o.Hooks[p]
	if file != "" {
		run.Context = file
		list = slices.DeleteFunc(slices.Clone(list), func(h hooks.Hook) bool { return h.Subject() != file })
	}
	info, _ := p.Info()
	if !info.Fatal {
		run.Logged(context.Background(), p, list)
		return nil
	}
	return run.Run(context.Background(), p, list)
}

// become executes another program in the place of this one, with the sockets from
// descriptor 3 on. Without words it does nothing.
func (v *Vassal) become(words []string, list []*sockets.Socket) error {
	if len(words) == 0 {
		return nil
	}
	path, err := programs.Find(words[0])
	if err != nil {
		return fmt.Errorf("cannot become %q: %w", words[0], err)
	}
	env, err := v.environment(v.options)
	if err != nil {
		return err
	}
	if err := v.farewell(v.probe(), 0); err != nil {
		return fmt.Errorf("cannot become %q: %w", words[0], err)
	}
	env = append(env, v.notifyVars...)
	if len(list) > 0 {
		if err := handOver(list); err != nil {
			return fmt.Errorf("cannot hand the sockets to %q: %w", words[0], err)
		}
		env = append(env, sockets.Variables(list)...)
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	if err := v.options.Limits.Apply(); err != nil {
		return err
	}
	return fmt.Errorf("cannot become %q: %w", words[0], programs.Explain(path, os.Getenv("PATH"), v.exec(path, words, env)))
}

// exec executes a program in the place of this one. It returns only if it cannot.
func (v *Vassal) exec(path string, argv, env []string) error {
	if v.Printed != nil {
		v.Printed()
	}
	return syscall.Exec(path, argv, env)
}

// probe is how the emperor finds out that a program which takes this one's place is
// ready. Nil: it is by being executed, or nobody could tell.
func (v *Vassal) probe() *wire.Probe {
	ready := v.options.Ready
	switch p := ready.Probe; {
	case p.Kind != "":
		probe := &wire.Probe{Kind: p.Kind, Address: []byte(p.Address), Path: []byte(p.Path), Timeout: ready.Timeout, Notify: ready.Notify && len(v.notifyVars) > 0}
		for _, word := range p.Command {
			probe.Command = append(probe.Command, []byte(word))
		}
		return probe
	case ready.Notify && len(v.notifyVars) > 0:
		return &wire.Probe{Kind: "notify", Timeout: ready.Timeout}
	}
	return nil
}

// outlasting are the processes that are to live on: daemons that are governed by
// a pid file.
func outlasting(daemons []config.Daemon) map[int]bool {
	pids := map[int]bool{}
	for _, d := range daemons {
		if d.Pidfile != "" {
			pids[workers.PidOf(d.Pidfile)] = true
		}
	}
	return pids
}

// endOrphans ends what workers left running when there is no pid namespace that
// ends it with this process: as their adoptive parent it sees them as children.
func endOrphans(spared map[int]bool) {
	if os.Getpid() == 1 {
		return
	}
	for {
		children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", unix.Gettid()))
		if err != nil {
			return
		}
		left := 0
		for _, word := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(word); err == nil && !spared[pid] {
				left = pid
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if left == 0 {
			return
		}
		if _, err := syscall.Wait4(left, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}
