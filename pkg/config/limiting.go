package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Limiting are the emperor's options about limits.
type Limiting struct {
	// BestEffort: a limit that the host cannot apply is left out. Otherwise it is an error.
	BestEffort bool
	// Groups are the limits that several vassals share, by name.
	Groups map[string]Resources
}

// OwnerGroup is the group of emperor-limit-group that stands for a group of each owner.
const OwnerGroup = "owner"

// File has the facts about the file of a vassal.
type File struct {
	// Tenant: its owner is neither root nor the emperor's user. UID is the owner.
	Tenant bool
	UID    uint32
	// Device returns the numbers of the block device at a path. Required.
	Device func(path string) (string, error)
}

// Of returns the cgroup of a vassal under these options, with the default limits. A tenant's
// own lines only make limits stricter, and cannot choose a group or a file. The error is
// Problems: mistakes of the file.
func (l Limiting) Of(v *Vassal, f File) (wish namespaces.CgroupWish, warnings Problems, err error) {
	var problems Problems
	all, tenants := Resources{tasksMax: DefaultTasks}, map[slot]dialect.Entry{}
	for _, e := range v.entries {
		o := cgroupOptions.Find(e.Key)
		if o == nil || e.Handled {
			continue
		}
		own := f.Tenant && !e.Shared
		if own && !o.Tyrant && !e.Permitted {
			problems.Add(e.Origin, o.Name, "not permitted in a tenant's own file", "permitted in the operator's templates")
			continue
		}
		r := resourceOf(o.Name)
		if r == nil {
			continue
		}
		device, n, err := r.parseValue(e.Value)
		if err != nil {
			continue // it is reported with the other mistakes
		}
		if own && device != "" && !tenantMayName(device) {
			problems.Add(e.Origin, o.Name, "a tenant's own file may only name a device", o.Name+" = /dev/sda 10m")
			continue
		}
		if own {
			tenants[slot{o.Name, device}] = e
		} else {
			all[slot{o.Name, device}] = n
		}
	}
	warnings = all.lower(tenants)
	wish.Limits = l.files(v, all, f, &problems)
	wish.Below = v.CgroupBelow
	if len(problems) == 0 {
		wish.Group = l.group(v, f, &problems)
	}
	return wish, warnings, problems.Err()
}

// tenantMayName reports whether a tenant's own file may name a path as a device: in /dev, outside of the
// directories in which each user makes files.
func tenantMayName(device string) bool {
	in, below := strings.CutPrefix(device, "/dev/")
	top, _, _ := strings.Cut(in, "/")
	return below && !slices.Contains([]string{"fd", "hugepages", "mqueue", "shm"}, top)
}

// lower takes over a tenant's limits where they are stricter, wherever the operator's stand.
func (r Resources) lower(tenants map[slot]dialect.Entry) (warnings Problems) {
	for s, e := range tenants {
		_, n, err := resourceOf(s.option).parseValue(e.Value)
		if was, set := r[s]; err == nil && set && was < n {
			warnings.Add(e.Origin, s.option, fmt.Sprintf("%s is more than the operator's limit, which counts", e.Value), "")
			continue
		}
		r[s] = n
	}
	slices.SortStableFunc(warnings, ByPlace)
	return warnings
}

// files returns the limits as files, and the files of cgroup-opt behind them.
func (Limiting) files(v *Vassal, all Resources, f File, problems *Problems) []namespaces.CgroupLimit {
	list, err := all.Limits(f.Device)
	if wrong, ok := errors.AsType[limitError](err); ok {
		problems.Add(v.Origin(wrong.option), wrong.option, wrong.err.Error(), "a block device, or a file on one")
	}
	for i, l := range list {
		list[i].Default = l.Option == tasksMax.option && v.Origin(l.Option) == Origin{}
	}
	for _, f := range v.CgroupFiles {
		list = append(list, namespaces.CgroupLimit{Option: "cgroup-opt", File: f[0], Value: f[1], Free: true})
	}
	return list
}

const memoryMax = "memory-max"

// tasksMax is the only limit with a default.
var tasksMax = slot{option: "tasks-max"}

// together makes the kernel end all processes of a vassal for want of memory, and not one that
// the others would wait for.
var together = namespaces.CgroupLimit{Option: memoryMax, File: "memory.oom.group", Value: "1", Reset: "0"}

// group returns the group of a vassal. Empty: none.
func (l Limiting) group(v *Vassal, f File, problems *Problems) string {
	name := v.LimitGroup
	if name == "" && f.Tenant && l.Groups[OwnerGroup] != nil {
		name = OwnerGroup
	}
	if name == "" {
		return ""
	}
	if _, known := l.Groups[name]; !known {
		problems.Add(v.Origin("limit-group"), "limit-group", "there is no group "+strconv.Quote(name), unknownGroup(name, slices.Sorted(maps.Keys(l.Groups))))
		return ""
	}
	if name == OwnerGroup {
		return name + "." + strconv.FormatUint(uint64(f.UID), 10)
	}
	return name
}

// GroupLimits returns the limits of a group as files.
func (l Limiting) GroupLimits(name string, device func(path string) (string, error)) ([]namespaces.CgroupLimit, error) {
	return l.Groups[name].Limits(device)
}

// ForeignLimits reads the options about limits in the configuration of a program of the operator,
// such as uwsgi, which only the program knows otherwise. The error is Problems about them.
func (l Loader) ForeignLimits(src Source) (*Vassal, error) {
	v, _, problems := l.ExamineVassal(src)
	problems = slices.DeleteFunc(problems, func(p Problem) bool { return cgroupOptions.Find(p.Key) == nil && fileOptions.Find(p.Key) == nil })
	return v, problems.Err()
}

// early reports whether there are options about limits, files or namespaces, which the emperor reads before the vassal starts.
func early(entries []dialect.Entry) bool {
	return slices.ContainsFunc(entries, func(e dialect.Entry) bool {
		return givesFiles(e) || !e.Handled && (cgroupOptions.Find(e.Key) != nil || slices.Contains(beforeClone, e.Key))
	})
}

// beforeClone are options about namespaces that take effect before the process exists.
var beforeClone = []string{"ns-net", "setns"}

// unseen finds limits, files and namespaces that the emperor did not see when it made the cgroup and the
// process. With ownIDs these are also the user and groups for which it did not choose the ids. The emperor
// opens no include, and runs nothing for a value. seen is its reading.
func (v *Vassal) unseen(seen []dialect.Entry, ownIDs bool) (problems Problems) {
	was := vassalOptions.settings(seen, false)
	for _, s := range vassalOptions.settings(v.entries, false) {
		early := cgroupOptions.Find(s.Name) != nil || fileOptions.Find(s.Name) != nil || slices.Contains(beforeClone, s.Name) ||
			s.Name == "unshare" && v.Namespaces.Join != "" || ownIDs && slices.Contains([]string{"uid", "gid", "add-gid"}, s.Name)
		if !early || slices.Contains(valuesOf(was, s.Name), s.Value) {
			continue
		}
		problems.Add(s.Origin, s.Name, "the emperor cannot read it here, before the vassal starts",
			"in the vassal's own file or a template, without a file or a program in its value")
	}
	return problems
}

// limits reports whether an option of one of the programs is about limits or files.
func limits(key string) bool {
	return cgroupOptions.Find(key) != nil || limitOptions.Find(key) != nil || fileOptions.Find(key) != nil
}
