package emperord

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// cgroupPrefix begins the name of each emperor's cgroup.
const cgroupPrefix = "emperor-"

// collecting limits the wait for the end of a killed emperor's processes.
const collecting = 10 * time.Second

// collectOrphans kills the vassals that killed emperors have left: otherwise they would run
// twice.
func collectOrphans(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, collecting)
	defer cancel()
	if err := namespaces.CollectCgroups(ctx, cgroupPrefix, sha256.Sum256); err != nil {
		log.Error("cannot clean up after a killed emperor", "error", err)
	}
}

// cgroupRoot returns the inherited root, or a new one.
func (in inheritance) cgroupRoot() (*namespaces.CgroupRoot, error) {
	if in.cgroupLock != nil {
		return namespaces.InheritCgroupRoot(cgroupPrefix, sha256.Sum256, in.cgroupPath, in.cgroupLock)
	}
	return namespaces.OpenCgroupRoot(cgroupPrefix, sha256.Sum256)
}

// ownCgroup makes the cgroup of this emperor, or takes over the inherited one; nil when it cannot have one. leave removes it,
// and is called at the end. A warning names guarantees that are missing without one. dropped: the
// emperor has dropped root.
func ownCgroup(in inheritance, clone namespaces.Flags, dropped bool, log *slog.Logger) (_ *namespaces.CgroupRoot, leave func(), err error) {
	root, err := in.cgroupRoot()
	switch {
	case errors.Is(err, namespaces.ErrNoCgroup):
		warnCgroups(clone, dropped, err, log)
		return nil, func() {}, nil
	case err != nil:
		return nil, nil, err
	}
	root.Renewed = func(path string) { log.Warn("the emperor's cgroup was removed; created it again", "cgroup", path) }
	return root, func() { _ = root.Remove() }, nil
}

// limitVassals makes the cgroups of vassals and hooks limited ones, where the service manager permits it,
// and reports missing ones once.
func limitVassals(root *namespaces.CgroupRoot, log *slog.Logger) {
	l := root.EnableLimits(supervisorLimits, hookLimits)
	if l.Why != nil {
		log.Info("not all limits of vassals are available (Delegate=yes, cgroup v2)", "controllers", strings.Join(l.Controllers, " "), "error", l.Why)
	} else {
		log.Debug("vassals can be limited", "controllers", strings.Join(l.Controllers, " "))
	}
	if l.Unprotected != nil {
		log.Warn("a busy vassal may slow down the emperor", "error", l.Unprotected)
	}
}

// warnCgroups logs, once, the functions that vassals without cgroups lack.
func warnCgroups(clone namespaces.Flags, dropped bool, err error, log *slog.Logger) {
	remedy := "pid in emperor-use-clone, or a writable cgroup v2"
	if dropped { // an emperor without root cannot make pid namespaces
		remedy = "Delegate=yes in the unit, or start the emperor as its user"
	}
	switch {
	case !clone.Has(namespaces.NewPID):
		log.Warn("without cgroups and pid namespaces, a program that drops its privileges itself, and any process that a program leaves "+
			"running, outlives a killed emperor ("+remedy+")", "error", err)
	case dropped:
		log.Warn("vassals get no cgroups of their own: the emperor's user cannot create any ("+remedy+")", "error", err)
	default:
		log.Debug("vassals get no cgroups of their own", "error", err)
	}
}
