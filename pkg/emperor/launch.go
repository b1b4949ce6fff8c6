package emperor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// System is the Launcher that makes real processes. Its fields are set before
// the first launch and not changed afterwards.
type System struct {
	// Program is the path of the vassal program. Required.
	Program string
	// Clone lists the new namespaces of each vassal.
	Clone namespaces.Flags
	// Hooks are the operator's; those of the as-vassal phase travel to the child.
	Hooks hooks.Set
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
	// Early sends a vassal off before the as-emperor hooks run, as uWSGI does.
	// Otherwise it is parked until they are done.
	Early bool
	// Environ is the environment of the emperor, from which those of hooks and
	// vassals are made.
	Environ []string
	// Spawner clones. Required.
	Spawner *namespaces.Spawner
	// Cgroups is where each generation gets a cgroup of its own. Nil: nowhere.
	Cgroups *namespaces.CgroupRoot
}

// Launch implements Launcher: hooks before, clone, hooks after, order.
func (s *System) Launch(ctx context.Context, r Request) (Process, error) {
	run := hooks.Runner{Timeout: s.HookTimeout, Log: r.Log}
	run.Dir, run.Vars = workingDirectory(r), append(slices.Clone(s.Environ), vassalVars(r, 0)...)
	if err := run.Run(ctx, hooks.AsEmperorBeforeVassal, s.Hooks[hooks.AsEmperorBeforeVassal]); err != nil {
		return nil, err
	}
	c, err := s.clone(r)
	if err != nil {
		return nil, err
	}
	run.Vars = append(slices.Clone(s.Environ), vassalVars(r, c.PID())...)
	if err := s.release(ctx, c, r, run); err != nil {
		c.abandon()
		return nil, err
	}
	return c, nil
}

// release runs the as-emperor hooks and gives the order, in the order of time
// that the operator chose. The pid in the hooks' environment cannot mean another
// process: the child is not reaped before they are done.
func (s *System) release(ctx context.Context, c *child, r Request, run hooks.Runner) error {
	if s.Early {
		if err := c.order(s.orderFor(c, r)); err != nil {
			return err
		}
	}
	if err := run.Run(ctx, hooks.AsEmperor, s.Hooks[hooks.AsEmperor]); err != nil {
		return err
	}
	if s.Early {
		return nil
	}
	return c.order(s.orderFor(c, r))
}

func (s *System) orderFor(c *child, r Request) wire.Order {
	o := wire.Order{
		Serial: 1, Name: []byte(r.Config.Name), Path: []byte(r.Config.Path), Config: r.Config.Data, Namespaces: s.Clone.String(),
	}
	for _, v := range vassalVars(r, c.PID()) {
		o.HookVars = append(o.HookVars, []byte(v))
	}
	for _, h := range s.Hooks[hooks.AsVassal] {
		spec := h.Spec()
		o.Hooks = append(o.Hooks, wire.Hook{Phase: string(spec.Phase), Kind: string(spec.Kind), Text: spec.Text, Origin: spec.Origin})
	}
	return o
}

// clone makes the child with its channels. It is parked when it returns.
func (s *System) clone(r Request) (_ *child, err error) {
	c := &child{log: r.Log, tree: s.Clone.Has(namespaces.NewPID)}
	ends, err := c.connect()
	defer closeAll(ends)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the vassal: %w", err)
	}
	defer func() {
		if err != nil {
			_ = c.clearCgroup()
			c.close()
		}
	}()
	command := namespaces.Command{
		Path: s.Program, Args: []string{filepath.Base(s.Program), "--ini", r.Config.Name}, Env: s.vassalEnviron(),
		Dir: workingDirectory(r), Files: ends, Namespaces: s.Clone, Deathsig: deathSignal,
	}
	if s.Cgroups != nil {
		if c.cgroup, err = s.Cgroups.Create(fmt.Sprintf("%s.%d", r.Config.Name, r.Generation)); err != nil {
			return nil, fmt.Errorf("cannot make a cgroup: %w", err)
		}
		command.CgroupFD = c.cgroup.FD()
	}
	if c.process, err = s.Spawner.Start(command); err != nil {
		return nil, fmt.Errorf("cannot clone %q: %w", s.Program, err)
	}
	return c, nil
}

// vassalVars is what uWSGI adds to the environment of hooks. Before the clone
// there is no pid.
func vassalVars(r Request, pid int) []string {
	vars := []string{
		"UWSGI_VASSAL_CONFIG=" + r.Config.Name,
		"UWSGI_VASSAL_UID=" + strconv.FormatUint(uint64(r.Config.UID), 10),
		"UWSGI_VASSAL_GID=" + strconv.FormatUint(uint64(r.Config.GID), 10),
	}
	if pid > 0 {
		vars = append(vars, "UWSGI_VASSAL_PID="+strconv.Itoa(pid))
	}
	return vars
}

// vassalEnviron is the environment of a vassal: the emperor's without what only
// concerns the emperor, and with UWSGI_VASSAL_X as UWSGI_X, as uWSGI does.
func (s *System) vassalEnviron() []string {
	var vars []string
	for _, v := range s.Environ {
		key, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(key, "UWSGI_VASSAL_"):
			vars = append(vars, "UWSGI_"+strings.TrimPrefix(v, "UWSGI_VASSAL_"))
		case strings.HasPrefix(key, "UWSGI_"), strings.HasPrefix(key, "EMPEROR_"), strings.HasPrefix(key, "LISTEN_"),
			strings.HasPrefix(key, "WATCHDOG_"), key == "NOTIFY_SOCKET":
		default:
			vars = append(vars, v)
		}
	}
	return append(vars, wire.PipeEnv+"="+strconv.Itoa(pipeFD), wire.OrderEnv+"="+strconv.Itoa(orderFD))
}

// workingDirectory is that of hooks and vassals: the monitored directory, as in
// uWSGI, or the root while that is away.
func workingDirectory(r Request) string {
	dir := filepath.Dir(r.Config.Path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "/"
	}
	return dir
}
