package emperord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/procname"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// ownProcess applies the options of this process before anything is watched: the mode mask,
// limits, locks and name, then the hooks that run as root, then the directory, in uWSGI's
// order. undo releases the locks.
func ownProcess(ctx context.Context, o *config.Emperor, log *slog.Logger) (undo func(), err error) {
	p := o.Process
	if p.UmaskSet {
		unix.Umask(p.Umask)
	}
	if p.MaxFD > 0 {
		// By package syscall: children inherit its limit.
		limit := &syscall.Rlimit{Cur: p.MaxFD, Max: p.MaxFD}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, limit); err != nil {
			return nil, o.Blame("max-fd", fmt.Errorf("cannot set the limit of descriptors to %d: %w", p.MaxFD, err))
		}
	}
	locks, err := lockAll(o)
	undo = func() {
		for _, f := range locks {
			f.Close()
		}
	}
	if err != nil {
		undo()
		return nil, err
	}
	if name := p.Names.Of("emperor", "watching", ""); name != "" {
		if err := procname.Set(name, !hooks.IsNative); err != nil {
			undo()
			return nil, err
		}
	}
	for _, phase := range []hooks.Phase{hooks.Asap, hooks.PreJail, hooks.InJail, hooks.PostJail, hooks.AsRoot} {
		if err := ownHooks(ctx, o, log, phase); err != nil {
			undo()
			return nil, err
		}
	}
	if p.Chdir != "" {
		if err := unix.Chdir(p.Chdir); err != nil {
			undo()
			return nil, o.Blame("chdir", fmt.Errorf("cannot enter working directory %q: %w", p.Chdir, err))
		}
	}
	return undo, nil
}

// settle makes the pid file, drops the rights that the emperor's user does not have, and runs
// the hooks of that moment. undo runs the hooks of the end, and removes the pid file.
func settle(ctx context.Context, o *config.Emperor, log *slog.Logger) (undo func(), err error) {
	unmake, err := prepare(o)
	if err == nil {
		err = handOver(o)
	}
	if err == nil {
		err = dropPrivileges(o)
	}
	if err == nil {
		err = ownHooks(ctx, o, log, hooks.AsUser)
	}
	if err != nil {
		unmake()
		return nil, err
	}
	return func() {
		if err := ownHooks(context.WithoutCancel(ctx), o, log, hooks.AsUserAtexit); err != nil {
			log.Error("hooks aborted", "error", err)
		}
		unmake()
	}, nil
}

// handOver changes the owner of a delegated cgroup to the user that the emperor becomes.
func handOver(o *config.Emperor) error {
	uid, gid, err := becoming(o)
	if err == nil && uid != os.Geteuid() {
		_, err = namespaces.HandOverCgroup(uid, gid)
	}
	return err
}

// ownHooks runs the hooks of the emperor's own process in one phase.
func ownHooks(ctx context.Context, o *config.Emperor, log *slog.Logger, phase hooks.Phase) error {
	run := hooks.Runner{Timeout: o.HookTimeout, Shells: o.Around.Shells, Log: log, Own: true, Lookup: direct.Means().Lookup}
	run.Vars = ownEnviron()
	return run.Run(ctx, phase, o.Process.Hooks[phase])
}

// lockAll locks the files of flock and flock-wait, in order.
func lockAll(o *config.Emperor) (locks []*os.File, err error) {
	for _, lock := range o.Process.Locks {
		name, how := "flock", unix.LOCK_EX|unix.LOCK_NB
		if lock.Wait {
			name, how = "flock-wait", unix.LOCK_EX
		}
		f, err := os.OpenFile(lock.Path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return locks, o.Blame(name, fmt.Errorf("cannot open the file to lock: %w", err))
		}
		locks = append(locks, f)
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Flock(int(f.Fd()), how)
		}
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("another process has the lock")
		}
		if err != nil {
			return locks, o.Blame(name, fmt.Errorf("cannot lock %q: %w", lock.Path, err))
		}
	}
	return locks, nil
}
