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

// collecting bounds how long the end of what a killed emperor left is waited for.
const collecting = 10 * time.Second

// collectOrphans ends what emperors that were killed have left: their vassals would
// be doubled.
func collectOrphans(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, collecting)
	defer cancel()
	if err := namespaces.CollectCgroups(ctx, cgroupPrefix); err != nil {
		log.Error("something is left of an emperor that was killed", "error", err)
	}
}

// ownCgroup makes the cgroup of this emperor; nil where there can be none. The
// function that it returns removes it, and is called in the end. Where vassals have no
// pid namespace either, clone says so, it warns of what is not guaranteed then.
// dropped: the emperor has given up being root.
func ownCgroup(clone namespaces.Flags, dropped bool, log *slog.Logger) (_ *namespaces.CgroupRoot, leave func(), err error) {
	root, err := namespaces.OpenCgroupRoot(cgroupPrefix)
	switch {
	case errors.Is(err, namespaces.ErrNoCgroup):
		if dropped {
			log.Warn("vassals get no cgroups of their own: the emperor's user may make none (Delegate=yes in the unit, or start it as that user)", "error", err)
		} else {
			log.Debug("vassals get no cgroups of their own", "error", err)
		}
		if !clone.Has(namespaces.NewPID) {
			log.Warn("without cgroups and pid namespaces a program that gives up its privileges itself, and whatever a program leaves "+
				"running, outlives an emperor that is killed (pid in emperor-use-clone, or a cgroup v2 to write to)", "error", err)
		}
		return nil, func() {}, nil
	case err != nil:
		return nil, nil, err
	}
	root.Renewed = func(path string) { log.Warn("the emperor's cgroup was removed: it is made again", "cgroup", path) }
	return root, func() { _ = root.Remove() }, nil
}
