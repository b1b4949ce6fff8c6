package emperord

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// supervisorLimits protect the emperor from its vassals, and hookLimits limit each program of a
// hook and the processes that hooks leave behind.
var (
	supervisorLimits = []namespaces.CgroupLimit{
		{Option: "the emperor's share", File: "cpu.weight", Value: "1000", Reset: "100"},
		{Option: "the emperor's memory", File: "memory.min", Value: "67108864", Reset: "0"},
	}
	hookLimits = []namespaces.CgroupLimit{
		{Option: "the tasks of hooks", File: "pids.max", Value: fmt.Sprint(config.DefaultTasks), Reset: "max"},
		{Option: "the share of hooks", File: "cpu.weight", Value: "100", Reset: "100"},
	}
)

// limits returns the cgroup of a vassal, and puts the limits of its group into effect. The error
// names the line of a limit that this host cannot apply.
func (r *reading) limits(v *config.Vassal, c monitor.Config) (namespaces.CgroupWish, error) {
	wish, warnings, err := r.limiting.Of(v, config.File{Tenant: r.tenants(c), UID: c.UID, Device: r.device})
	for _, w := range warnings {
		r.log.Warn(w.Error(), "vassal", c.Name)
	}
	if err != nil {
		return wish, err
	}
	var problems config.Problems
	kept := wish.Limits[:0:0]
	for _, l := range wish.Limits {
		switch missing := r.missing(l); {
		case missing == nil:
			kept = append(kept, l)
		case l.Default:
		default:
			r.miss(missing, v.Origin(l.Option), l, &problems)
		}
	}
	wish.Limits = kept
	if wish.Group != "" {
		r.join(v, &wish, &problems)
	}
	if wish.Below != "" && r.cgroups == nil {
		r.miss(namespaces.NoController("", ""), v.Origin("cgroup"), namespaces.CgroupLimit{Option: "cgroup"}, &problems)
	}
	return wish, problems.Err()
}

// missing returns the error about a limit without a controller, without the name of an option.
func (r *reading) missing(l namespaces.CgroupLimit) error {
	if r.cgroups.Limits(l) {
		return nil
	}
	return namespaces.NoController("", l.Controller())
}

// miss reports a limit that cannot be applied: as a mistake, or once in the log where the
// operator has relaxed it.
func (r *reading) miss(missing error, at config.Origin, l namespaces.CgroupLimit, problems *config.Problems) {
	if !r.limiting.BestEffort {
		problems.Add(at, l.Option, missing.Error(), "emperor-limits = best-effort starts the vassal without")
		return
	}
	if _, logged := r.relaxed.LoadOrStore(l.Controller(), true); !logged {
		r.log.Warn(fmt.Sprintf("%v: %s has no effect, as emperor-limits = best-effort permits", missing, l.Option), "at", at.String())
	}
}

// join puts the limits of a vassal's group into effect.
func (r *reading) join(v *config.Vassal, wish *namespaces.CgroupWish, problems *config.Problems) {
	name, at := wish.Group, v.Origin("limit-group")
	if v.LimitGroup == "" { // it has no such line
		name, at = config.OwnerGroup, config.Origin{File: "emperor-limit-group"}
	}
	limits, err := r.limiting.GroupLimits(name, r.device)
	if err == nil && r.cgroups == nil {
		r.miss(namespaces.NoController("", ""), at, namespaces.CgroupLimit{Option: "limit-group"}, problems)
		wish.Group = ""
		return
	}
	kept := limits[:0:0]
	for _, l := range limits {
		if missing := r.missing(l); missing != nil {
			r.miss(fmt.Errorf("%s: %w", l.Option, missing), at, namespaces.CgroupLimit{Option: "limit-group", File: l.File}, problems)
			continue
		}
		kept = append(kept, l)
	}
	if err == nil && len(*problems) == 0 {
		err = r.cgroups.SetGroup(wish.Group, kept)
	}
	if err != nil {
		problems.Add(at, "limit-group", err.Error(), "emperor-limit-group in the emperor's file")
	}
}

// device returns the numbers of a block device, unless its file system does not answer.
func (r *reading) device(path string) (string, error) {
	number, err := reads.Get(context.Background(), r.reads, path, func() (string, error) { return namespaces.BlockDevice(path) })
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("there is no %s", path)
	}
	return number, err
}

// otherLimits returns the change of the limits of a program of the operator: they are live, and without
// them the program is asked.
func (r *reading) otherLimits(was, is monitor.Config) (c emperor.Change) {
	before, err := r.loader(was.Dir).ForeignLimits(r.sourceOf(was))
	after, bad := r.loader(is.Dir).ForeignLimits(r.sourceOf(is))
	if err != nil || bad != nil {
		return c // a mistake is reported by the check
	}
	if c.Live = config.DiffLimits(before, after); len(c.Live) > 0 && !config.SameBeyondLimits(before, after) {
		c.Options = []string{"options of the program"}
	}
	return c
}
