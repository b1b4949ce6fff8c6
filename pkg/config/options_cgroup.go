package config

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// limitOptions are the emperor's.
var limitOptions = option.Rows[Emperor]{
	{
		Name: "emperor-limit-group", Change: option.Reload, Group: "Limits", Arg: "NAME: OPTION=VALUE, …", Repeat: true,
		Help: "limits that all vassals with limit-group = NAME share; owner: a group for each user who owns files of vassals, and is neither root " +
			"nor the emperor's user",
		Set: setLimitGroup,
	},
	{
		Name: "emperor-limits", Change: option.Reload, Group: "Limits", Arg: "required|best-effort", Def: "required",
		Help: "whether a vassal starts without a limit that this host cannot apply", Set: setLimiting,
	},
}

// cgroupOptions limit a whole vassal.
var cgroupOptions = option.Rows[Vassal]{
	{Name: "cgroup", Group: "Limits", Arg: "DIR", Help: "start in this directory below the vassal's own cgroup", Set: setCgroup},
	{
		Name: "cgroup-opt", Group: "Limits", Arg: "FILE=VALUE", Repeat: true,
		Help: "content of a file of the vassal's cgroup, such as cpuset.cpus=0-3", Set: setCgroupFile,
	},
	{
		Name: "cpu-quota", Group: "Limits", Arg: "PERCENT", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "processor time in percent of one processor, such as 50, or 200 for two",
		Set:  func(v *Vassal, t option.Value) error { return v.setResource("cpu-quota", t) },
	},
	{
		Name: "cpu-weight", Group: "Limits", Arg: "N", Def: "100", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "share of the processors while they are all busy, 1 to 10000", Set: func(v *Vassal, t option.Value) error { return v.setResource("cpu-weight", t) },
	},
	{
		Name: "io-read-bandwidth-max", Group: "Limits", Arg: "DEVICE BYTES", Repeat: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "bytes a second that are read from a block device, or from the device of a path",
		Set:  func(v *Vassal, t option.Value) error { return v.setResource("io-read-bandwidth-max", t) },
	},
	{
		Name: "io-weight", Group: "Limits", Arg: "N", Def: "100", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "share of busy block devices, 1 to 10000", Set: func(v *Vassal, t option.Value) error { return v.setResource("io-weight", t) },
	},
	{
		Name: "io-write-bandwidth-max", Group: "Limits", Arg: "DEVICE BYTES", Repeat: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "bytes a second that are written to a block device, or to the device of a path",
		Set:  func(v *Vassal, t option.Value) error { return v.setResource("io-write-bandwidth-max", t) },
	},
	{
		Name: "limit-group", Group: "Limits", Arg: "NAME", Guard: true, Help: "group of emperor-limit-group whose limits the vassal shares",
		Set: func(v *Vassal, t option.Value) error { v.LimitGroup = t.Text; return nil },
	},
	{
		Name: "memory-high", Group: "Limits", Arg: "BYTES|N%%", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "memory above which the vassal is slowed down, such as 200m, or 25%% of the machine's",
		Set:  func(v *Vassal, t option.Value) error { return v.setResource("memory-high", t) },
	},
	{
		Name: "memory-max", Group: "Limits", Arg: "BYTES|N%%", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "memory above which the kernel ends all processes of the vassal", Set: func(v *Vassal, t option.Value) error { return v.setResource("memory-max", t) },
	},
	{
		Name: "memory-swap-max", Group: "Limits", Arg: "BYTES|N%%", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "swap space of the vassal", Set: func(v *Vassal, t option.Value) error { return v.setResource("memory-swap-max", t) },
	},
	{
		Name: "tasks-max", Group: "Limits", Arg: "N", Def: "4096", Guard: true, Tyrant: true, Early: true, Change: option.Live,
		Help: "processes and threads of the vassal together", Set: func(v *Vassal, t option.Value) error { return v.setResource("tasks-max", t) },
	},
}

func setLimiting(e *Emperor, v option.Value) error {
	return either(&e.Limiting.BestEffort, v.Text, "way", "required", "best-effort")
}

// setLimitGroup parses NAME: OPTION=VALUE, OPTION=VALUE.
func setLimitGroup(e *Emperor, v option.Value) error {
	name, rest, ok := strings.Cut(v.Text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.TrimSpace(rest) == "" {
		return option.Wrong(strconv.Quote(v.Text)+" is no group with limits", "emperor-limit-group = web: tasks-max=1000, memory-max=2g")
	}
	limits := Resources{}
	for text := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		r := resourceOf(key)
		if r == nil {
			return option.Unknown("limit", key, resourceNames()...)
		}
		device, n, err := r.parseValue(strings.TrimSpace(value))
		if err != nil {
			return err
		}
		limits[slot{key, device}] = n
	}
	if e.Limiting.Groups == nil {
		e.Limiting.Groups = map[string]Resources{}
	}
	if _, twice := e.Limiting.Groups[name]; twice {
		return option.Wrong(fmt.Sprintf("the group %q is given twice", name), "one line with all its limits")
	}
	e.Limiting.Groups[name] = limits
	return nil
}

func resourceNames() (names []string) {
	for _, r := range resources {
		names = append(names, r.option)
	}
	return names
}

// setResource sets a limit. Limiting.Of decides, by the places of the lines, which one counts.
func (v *Vassal) setResource(name string, t option.Value) error {
	device, n, err := resourceOf(name).parseValue(t.Text)
	if err != nil {
		return err
	}
	if v.Resources == nil {
		v.Resources = Resources{}
	}
	v.Resources[slot{name, device}] = n
	return nil
}

// former returns the remedy for a file of cgroup v1; "" for other files.
func former(file string) string {
	switch file {
	case "blkio.bfq.weight", "blkio.weight":
		return "io-weight"
	case "blkio.throttle.read_bps_device":
		return "io-read-bandwidth-max"
	case "blkio.throttle.write_bps_device":
		return "io-write-bandwidth-max"
	case "cpu.cfs_period_us", "cpu.cfs_quota_us":
		return "cpu-quota"
	case "cpu.shares":
		return "cpu-weight"
	case "memory.limit_in_bytes":
		return "memory-max"
	case "memory.memsw.limit_in_bytes":
		return "memory-swap-max"
	case "memory.soft_limit_in_bytes":
		return "memory-high"
	case "memory.kmem.limit_in_bytes":
		return "memory-max, which counts memory of the kernel as well"
	case "memory.swappiness":
		return "memory-swap-max = 0 for no swap space"
	case "devices.allow", "devices.deny":
		return "modes and owners of device files"
	case "freezer.state":
		return "emperor stop NAME"
	case "net_cls.classid", "net_prio.ifpriomap":
		return "network-limit = RATE"
	case "notify_on_release", "release_agent", "tasks":
		return "the emperor moves processes and removes the cgroup, drop the line"
	}
	return ""
}

// formerTrees are the hierarchies of cgroup v1 in /sys/fs/cgroup.
var formerTrees = []string{
	"blkio", "cpu", "cpu,cpuacct", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls",
	"net_cls,net_prio", "net_prio", "perf_event", "pids", "rdma", "systemd", "unified",
}

// cgroupMount is where the hierarchy of cgroups is, by convention.
const cgroupMount = "/sys/fs/cgroup"

// setCgroup takes uWSGI's directory below the vassal's own cgroup.
func setCgroup(v *Vassal, t option.Value) error {
	below := strings.Trim(strings.TrimPrefix(path.Clean("/"+t.Text), cgroupMount+"/"), "/")
	first, _, _ := strings.Cut(below, "/")
	switch {
	case below == "" || slices.Contains(strings.Split(t.Text, "/"), ".."):
		return option.Wrong(strconv.Quote(t.Text)+" is no directory below the vassal's cgroup", "cgroup = NAME")
	case strings.HasPrefix(t.Text, cgroupMount) && slices.Contains(formerTrees, first):
		return option.Wrong(t.Text+" is a directory of cgroup v1: the vassal has a cgroup v2 of its own", "tasks-max, memory-max, cpu-quota, or drop the line")
	}
	v.CgroupBelow = below
	return nil
}

// setCgroupFile parses FILE=VALUE.
func setCgroupFile(v *Vassal, t option.Value) error {
	file, value, ok := strings.Cut(t.Text, "=")
	file, value = strings.TrimSpace(file), strings.TrimSpace(value)
	controller, _, dotted := strings.Cut(file, ".")
	switch {
	case former(file) != "":
		return option.Wrong(file+" is a file of cgroup v1", former(file))
	case !ok || value == "" || file == "":
		return option.Wrong(strconv.Quote(t.Text)+" is no file with its content", "cgroup-opt = cpuset.cpus=0-3")
	case strings.Contains(file, "/") || !dotted || controller == "":
		return option.Wrong(strconv.Quote(file)+" is no name of a file in a cgroup", "such as cpuset.cpus")
	case controller == "cgroup" && !strings.HasPrefix(file, "cgroup.max."):
		return option.Wrong(file+" is the emperor's", "a limit such as cgroup.max.descendants")
	}
	if name := optionOf(file); name != "" {
		return option.Wrong(file+" has an option of its own", name)
	}
	v.CgroupFiles = append(v.CgroupFiles, [2]string{file, value})
	return nil
}

// optionOf returns the option that sets a file of cgroup v2, or "".
func optionOf(file string) string {
	i := slices.IndexFunc(resources, func(r resource) bool { return r.file == file })
	switch {
	case file == "io.max":
		return "io-read-bandwidth-max or io-write-bandwidth-max"
	case i >= 0:
		return resources[i].option
	}
	return ""
}

// unknownGroup is the hint of a group that is not there.
func unknownGroup(name string, known []string) string {
	switch near := suggest.Near(name, slices.Values(known)); {
	case near != nil:
		return suggest.Question("", near...)
	case len(known) == 0:
		return "emperor-limit-group = " + name + ": memory-max=2g in the emperor's file"
	}
	return "there are " + strings.Join(known, ", ")
}
