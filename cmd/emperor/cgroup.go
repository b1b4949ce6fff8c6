package main

import (
	"context"
	"errors"
	"log/slog"
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
	if err := namespaces.CollectCgroups(ctx, cgroupPrefix); err != nil {
		log.Error("cannot clean up after a killed emperor", "error", err)
	}
}

// ownCgroup makes the cgroup of this emperor; nil when it cannot have one. leave removes it,
// and is called at the end. When clone has no pid namespace either, ownCgroup warns about
// missing guarantees. dropped: the emperor has dropped root.
func ownCgroup(clone namespaces.Flags, dropped bool, log *slog.Logger) (_ *namespaces.CgroupRoot, leave func(), err error) {
	root, err := namespaces.OpenCgroupRoot(cgroupPrefix)
	switch {
	case errors.Is(err, namespaces.ErrNoCgroup):
		if dropped {
			log.Warn("vassals get no cgroups of their own: the emperor's user cannot create any (Delegate=yes in the unit, or start it as that user)", "error", err)
		} else {
			log.Debug("vassals get no cgroups of their own", "error", err)
		}
		if !clone.Has(namespaces.NewPID) {
			log.Warn("without cgroups and pid namespaces, a program that drops its privileges itself, and any process that a program leaves "+
				"running, outlives a killed emperor (pid in emperor-use-clone, or a writable cgroup v2)", "error", err)
		}
		return nil, func() {}, nil
	case err != nil:
		return nil, nil, err
	}
	root.Renewed = func(path string) { log.Warn("the emperor's cgroup was removed; created it again", "cgroup", path) }
	return root, func() { _ = root.Remove() }, nil
}
