package config

import (
	"fmt"
	"slices"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// systemPaths are the read-only paths of protect-system = full, and homePaths the paths of protect-home (systemd.exec(5)).
var (
	systemPaths = []string{"/usr", "/boot", "/efi", "/etc"}
	homePaths   = []string{"/home", "/root", "/run/user"}
	tmpPaths    = []string{"/tmp", "/var/tmp", "/dev/shm"}
)

// None reports whether the vassal has the mounts of the host.
func (f Files) None() bool {
	return f.Root == nil && len(f.Places) == 0 && !f.Tmp && !f.Devices && f.System == "" && f.Home == "" && f.Proc == (namespaces.ProcView{})
}

// has reports whether an option, or one of its kind, has an effect.
func (f Files) has(name string) bool {
	switch name {
	case "chroot", "pivot_root":
		return f.Root != nil
	case "private-devices":
		return f.Devices
	case "private-ids":
		return false // it needs no mounts by itself
	case "private-tmp":
		return f.Tmp
	case "proc-subset":
		return f.Proc.PIDs
	case "protect-home":
		return f.Home != ""
	case "protect-kernel-tunables":
		return f.Proc.Tunables
	case "protect-proc":
		return f.Proc.Hide != ""
	case "protect-system":
		return f.System != ""
	}
	return len(f.Places) > 0
}

// ReadOnlyRoot reports whether the root directory is read-only.
func (f Files) ReadOnlyRoot() bool {
	return f.System == "strict" || slices.ContainsFunc(f.Places, func(p namespaces.Place) bool { return p.Kind == namespaces.ReadOnly && p.Path == "/" })
}

// View returns the file system of the vassal. own are its directories, which stay writable, and are taken into a new root directory;
// memory is its memory-max, in bytes. Zero: none.
func (f Files) View(own []string, memory uint64) namespaces.FileSystem {
	list := slices.Clone(f.Places)
	for i, p := range list {
		list[i].Mapped = p.Source != "" && f.PrivateIDs
	}
	if f.Root != nil {
		for _, path := range own {
			if path != "/" && path != "" {
				list = append(list, namespaces.Place{Kind: namespaces.Bind, Path: path, Source: path, Optional: true, Where: "a directory of the vassal"})
			}
		}
		own = nil
	}
	add := func(option string, kind namespaces.PlaceKind, data string, paths ...string) {
		for _, path := range paths {
			list = append(list, namespaces.Place{Kind: kind, Path: path, Data: data, Optional: true, Where: option})
		}
	}
	switch f.System {
	case "full":
		add("protect-system", namespaces.ReadOnly, "", systemPaths...)
	case "strict":
		list = append(list, namespaces.Place{Kind: namespaces.ReadOnly, Path: "/", Where: "protect-system"})
	}
	if len(list) > 0 {
		add("protect-system", namespaces.ReadWrite, "", "/dev", "/proc")
		add("protect-system", namespaces.ReadWrite, "", own...)
	}
	switch f.Home {
	case "true":
		add("protect-home", namespaces.Inaccessible, "", homePaths...)
	case "tmpfs":
		add("protect-home", namespaces.Temporary, "mode=0755,ro", homePaths...)
	case "read-only":
		add("protect-home", namespaces.ReadOnly, "", homePaths...)
	}
	size := "size=10%"
	if memory > 0 {
		size = fmt.Sprintf("size=%d", max(memory/10, 1<<16))
	}
	if f.Devices {
		list = append(list, namespaces.Place{Kind: namespaces.Devices, Path: "/dev", Where: "private-devices"})
		add("private-devices", namespaces.Temporary, "mode=1777,"+size, "/dev/shm")
	}
	if f.Tmp {
		add("private-tmp", namespaces.Temporary, "mode=1777,"+size, tmpPaths...)
	}
	return namespaces.FileSystem{Places: list, Root: f.Root}
}

// Unmountable is the problem of a vassal whose options about files, or defaults of tyrant mode, need namespaces that it does not
// have. ok is false when there is none.
func Unmountable(v *Vassal, clone namespaces.Flags) (p Problem, ok bool) {
	for o := range fileOptions.All {
		origin := v.Origin(o.Name)
		proc := slices.Contains([]string{"protect-proc", "proc-subset", "protect-kernel-tunables"}, o.Name)
		switch {
		case origin == (Origin{}) || !v.Files.has(o.Name):
		case !clone.Has(namespaces.NewMount):
			return Problem{Origin: origin, Key: o.Name, What: errNoMounts.Error(), Hint: "fs in emperor-use-clone"}, true
		case proc && !clone.Has(namespaces.NewPID):
			return Problem{Origin: origin, Key: o.Name, What: "the vassal has no /proc of its own", Hint: "pid in emperor-use-clone"}, true
		}
	}
	return p, false
}

// Unmapped is the problem of a vassal that is to have ids of its own, without a range of ids. ranged: vassals have ranges. ok is false
// when there is none.
func Unmapped(v *Vassal, ranged bool) (p Problem, ok bool) {
	f := v.Files
	if f.PrivateIDs && !ranged {
		return Problem{
			Origin: v.Origin("private-ids"), Key: "private-ids", What: "vassals have no ranges of ids",
			Hint: "user in emperor-use-clone, and emperor-id-range = 1000000:65536",
		}, true
	}
	for _, one := range f.Places {
		if name := map[namespaces.PlaceKind]string{namespaces.Bind: "bind-paths", namespaces.BindReadOnly: "bind-read-only-paths"}[one.Kind]; one.Mapped && !f.PrivateIDs {
			return Problem{Origin: v.Origin(name), Key: name, What: "idmap: files of the vassal's user belong to it already", Hint: "private-ids = true"}, true
		}
	}
	return p, false
}

// givesFiles reports whether an option is about the file system.
func givesFiles(e dialect.Entry) bool { return !e.Handled && fileOptions.Find(e.Key) != nil }

// DiffFiles lists the options about the file system with different values.
func DiffFiles(before, after *Vassal) (names []string) {
	for _, d := range Diff(before, after) {
		if fileOptions.Find(d.Option) != nil {
			names = append(names, d.Option)
		}
	}
	return names
}
