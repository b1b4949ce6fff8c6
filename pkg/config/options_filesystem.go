package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Files are a vassal's options about its view of the file system. They need a mount namespace.
type Files struct {
	// Places are the places of the lines, with the line in Where.
	Places []namespaces.Place
	// Tmp: own directories for temporary files. Devices: a /dev with few devices.
	Tmp, Devices bool
	// System is the read-only part of the system, and Home the treatment of home directories. Empty: nothing.
	System, Home string
	// Proc are the options of its /proc.
	Proc namespaces.ProcView
	// Root is its root directory. Nil: the host's.
	Root *namespaces.NewRoot
	// PrivateIDs: its user and groups are in its range of ids as well.
	PrivateIDs bool
}

// The values of options about files. Later ones of a list are stricter.
var (
	systemParts = []string{"", "full", "strict"}
	homeParts   = []string{"", "read-only", "tmpfs", "true"}
	hidePIDs    = []string{"", "noaccess", "invisible"}
)

// fileOptions are the options of Files. A tenant's own file can only make the view narrower.
var fileOptions = option.Rows[Vassal]{
	{
		Name: "bind-paths", Group: "Files", Arg: "SOURCE[:PATH[:rbind,idmap]]", Repeat: true,
		Help: "another file or directory at a path, without set-user-id bits and devices; rbind: with the mounts below it; idmap: as private-ids does " +
			"for all; -SOURCE may be missing",
		Set: func(v *Vassal, t option.Value) error { return v.Files.bind(namespaces.Bind, "bind-paths", t) },
	},
	{
		Name: "bind-read-only-paths", Group: "Files", Arg: "SOURCE[:PATH[:rbind,idmap]]", Repeat: true,
		Help: "the same, read-only",
		Set: func(v *Vassal, t option.Value) error {
			return v.Files.bind(namespaces.BindReadOnly, "bind-read-only-paths", t)
		},
	},
	{
		Name: "chroot", Group: "Files", Arg: "DIR", Guard: true,
		Help: "the root directory of the vassal, after its post-jail hooks, with own /proc and /sys; it needs fs in emperor-use-clone",
		Set:  func(v *Vassal, t option.Value) error { return v.Files.root("chroot", t, t.Text, "") },
	},
	{
		Name: "inaccessible-paths", Group: "Files", Arg: "PATH", Repeat: true,
		Help: "an empty file or directory without permissions at the path; -PATH may be missing",
		Set: func(v *Vassal, t option.Value) error {
			return v.Files.add(namespaces.Inaccessible, "inaccessible-paths", t)
		},
	},
	{
		Name: "pivot_root", Aliases: []string{"pivot-root"}, Group: "Files", Arg: "NEW [OLD]", Guard: true,
		Help: "the same with the old root directory at OLD, a directory below NEW, for hooks that still need it and unmount it; without OLD it is " +
			"gone", Set: setPivotRoot,
	},
	{
		Name: "private-devices", Group: "Files", Guard: true, Tyrant: true, Early: true,
		Help: "a /dev with null, zero, full, random, urandom, tty, own terminals and an own /dev/shm",
		Set:  func(v *Vassal, t option.Value) error { v.Files.Devices = tightened(v.Files.Devices, t); return nil },
	},
	{
		Name: "private-ids", Group: "Files", Guard: true,
		Help: "also the user and the groups of the vassal are in its range of ids (emperor-id-range): no process of the host is of its user. Binds show " +
			"files of the user as its own (idmapped mounts)",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Files.PrivateIDs) },
	},
	{
		Name: "private-tmp", Group: "Files", Guard: true, Tyrant: true, Early: true,
		Help: "own /tmp, /var/tmp and /dev/shm in memory, each of a tenth of memory-max or of the memory of the machine",
		Set:  func(v *Vassal, t option.Value) error { v.Files.Tmp = tightened(v.Files.Tmp, t); return nil },
	},
	{
		Name: "proc-subset", Group: "Files", Arg: "SUBSET", Def: "all", Guard: true, Tyrant: true, Early: true,
		Help: "files of an own /proc: all, or pid, which has only directories of processes", Set: setProcSubset,
	},
	{
		Name: "protect-home", Group: "Files", Arg: "[MODE]", Guard: true, Tyrant: true, Early: true,
		Help: "/home, /root and /run/user: inaccessible (true), read-only, or empty (tmpfs)",
		Set: func(v *Vassal, t option.Value) error {
			return stricter(&v.Files.Home, homeParts, t, "true", "mode")
		},
	},
	{
		Name: "protect-kernel-tunables", Group: "Files", Def: "true", Guard: true, Tyrant: true, Early: true,
		Help: "an own /proc/sys is read-only but for net; off: hooks can set values of the ipc and uts namespaces, and root all values of the host",
		Set: func(v *Vassal, t option.Value) error {
			v.Files.Proc.Tunables = !option.ParseBool(t.Text) && (!t.Tenant || v.Files.Proc.Tunables)
			return nil
		},
	},
	{
		Name: "protect-proc", Group: "Files", Arg: "MODE", Def: "default", Guard: true, Tyrant: true, Early: true,
		Help: "processes of other users in an own /proc: default, noaccess, or invisible (hidepid of proc(5))",
		Set: func(v *Vassal, t option.Value) error {
			if t.Text == "default" {
				t.Text = "false"
			}
			return stricter(&v.Files.Proc.Hide, hidePIDs, t, "invisible", "mode")
		},
	},
	{
		Name: "protect-system", Group: "Files", Arg: "[PART]", Guard: true, Tyrant: true, Early: true,
		Help: "read-only /usr, /boot, /efi and /etc (full), or everything but /dev, /proc and the vassal's own directories (strict)",
		Set: func(v *Vassal, t option.Value) error {
			return stricter(&v.Files.System, systemParts, t, "full", "part")
		},
	},
	{
		Name: "read-only-paths", Group: "Files", Arg: "PATH", Repeat: true, Tyrant: true, Early: true,
		Help: "a path that is read-only, with everything below it; -PATH may be missing",
		Set:  func(v *Vassal, t option.Value) error { return v.Files.add(namespaces.ReadOnly, "read-only-paths", t) },
	},
	{
		Name: "read-write-paths", Group: "Files", Arg: "PATH", Repeat: true,
		Help: "a path below a read-only or inaccessible one that is as it was; -PATH may be missing",
		Set:  func(v *Vassal, t option.Value) error { return v.Files.add(namespaces.ReadWrite, "read-write-paths", t) },
	},
	{
		Name: "temporary-file-system", Group: "Files", Arg: "PATH[:OPTIONS]", Repeat: true,
		Help: "an empty file system in memory at the path, with options of tmpfs(5), ro and noexec, such as /srv:size=10m,mode=0755", Set: setTemporary,
	},
}

// tightened returns the value of a flag. A tenant's own file can only set it.
func tightened(was bool, t option.Value) bool {
	return option.ParseBool(t.Text) || t.Tenant && was
}

// stricter sets one of several values, sorted from none to the strictest. A tenant's own file cannot choose a less strict one.
func stricter(into *string, values []string, t option.Value, usual, kind string) error {
	text := t.Text
	switch text {
	case "", "true", "yes", "on", "1":
		text = usual
	case "false", "no", "off", "0":
		text = ""
	}
	i := slices.Index(values, text)
	if i < 0 {
		return option.Unknown(kind, t.Text, values[1:]...)
	}
	if !t.Tenant || i > slices.Index(values, *into) {
		*into = text
	}
	return nil
}

func setProcSubset(v *Vassal, t option.Value) error {
	switch t.Text {
	case "all", "pid":
		v.Files.Proc.PIDs = t.Text == "pid" || t.Tenant && v.Files.Proc.PIDs
		return nil
	}
	return option.Unknown("subset", t.Text, "all", "pid")
}

// where begins the errors about a line.
func where(t option.Value, name string) string {
	if t.Origin == (Origin{}) {
		return name
	}
	return fmt.Sprintf("%v: %s", t.Origin, name)
}

// path splits the path of a value and its leading hyphen.
func pathOf(text string) (path string, optional bool, err error) {
	path, optional = strings.CutPrefix(text, "-")
	if !filepath.IsAbs(path) {
		return "", false, option.Wrong(strconv.Quote(text)+" is not an absolute path", "such as /srv")
	}
	return filepath.Clean(path), optional, nil
}

func setPivotRoot(v *Vassal, t option.Value) error {
	words := strings.Fields(t.Text)
	switch len(words) {
	case 1:
		return v.Files.root("pivot_root", t, words[0], "")
	case 2:
		return v.Files.root("pivot_root", t, words[0], words[1])
	}
	return option.Wrong(strconv.Quote(t.Text)+" is not NEW OLD", "such as /ns /ns/.old_root")
}

// root sets the root directory.
func (f *Files) root(name string, t option.Value, path, old string) error {
	for _, p := range []string{path, old} {
		if p != "" && !filepath.IsAbs(p) {
			return option.Wrong(strconv.Quote(p)+" is not an absolute path", "such as /ns")
		}
	}
	r := &namespaces.NewRoot{Path: filepath.Clean(path), Where: where(t, name)}
	if path == "" || r.Path == "/" {
		return option.Wrong("it is the root directory already", "a directory below it, such as /ns")
	}
	if old != "" {
		var below bool
		if r.Old, below = strings.CutPrefix(filepath.Clean(old), r.Path+"/"); !below {
			return option.Wrong(fmt.Sprintf("%s is not below %s", old, r.Path), fmt.Sprintf("such as %s %s/.old_root", r.Path, r.Path))
		}
	}
	if had := f.Root; had != nil && !strings.HasSuffix(had.Where, name) {
		return option.Wrong("there is another root directory ("+had.Where+")", "chroot or pivot_root")
	}
	f.Root = r
	return nil
}

func (f *Files) add(kind namespaces.PlaceKind, name string, t option.Value) error {
	path, optional, err := pathOf(t.Text)
	if err == nil && path == "/" && kind == namespaces.Inaccessible {
		err = option.Wrong("the root directory cannot be inaccessible", "a path below it")
	}
	if err != nil {
		return err
	}
	f.Places = append(f.Places, namespaces.Place{Kind: kind, Path: path, Optional: optional, Where: where(t, name)})
	return nil
}

func (f *Files) bind(kind namespaces.PlaceKind, name string, t option.Value) error {
	words := strings.Split(t.Text, ":")
	source, optional, err := pathOf(words[0])
	if err != nil {
		return err
	}
	p := namespaces.Place{Kind: kind, Source: source, Path: source, Optional: optional, Where: where(t, name)}
	if len(words) > 1 && words[1] != "" {
		if p.Path, _, err = pathOf(words[1]); err != nil {
			return err
		}
	}
	if p.Path == "/" {
		return option.Wrong("no bind can replace the root directory", "a path below it")
	}
	for _, word := range bindWords(words) {
		switch word {
		case "rbind":
			p.Recursive = true
		case "idmap":
			p.Mapped = true
		default:
			return option.Wrong(strconv.Quote(t.Text)+" is not SOURCE:PATH", "such as /srv/data:/data or /srv:/srv:rbind")
		}
	}
	f.Places = append(f.Places, p)
	return nil
}

// bindWords returns the options of a bind.
func bindWords(words []string) []string {
	if len(words) < 3 {
		return nil
	}
	return strings.Split(strings.Join(words[2:], ":"), ",")
}

// tmpfsOptions are the options of tmpfs(5) that have an effect on the vassal only.
var tmpfsOptions = []string{"gid", "mode", "nr_blocks", "nr_inodes", "size", "uid"}

func setTemporary(v *Vassal, t option.Value) error {
	text, data, _ := strings.Cut(t.Text, ":")
	path, optional, err := pathOf(text)
	if err != nil {
		return err
	}
	if path == "/" {
		return option.Wrong("the root directory cannot be replaced by an empty one", "a path below it")
	}
	for word := range strings.SplitSeq(data, ",") {
		key, _, valued := strings.Cut(word, "=")
		known := valued && slices.Contains(tmpfsOptions, key) || slices.Contains([]string{"", "ro", "rw", "noexec", "nosuid", "nodev"}, word)
		if !known {
			return option.Unknown("option", word, append(slices.Clone(tmpfsOptions), "ro", "noexec")...)
		}
	}
	v.Files.Places = append(v.Files.Places, namespaces.Place{
		Kind: namespaces.Temporary, Path: path, Data: data, Optional: optional,
		Where: where(t, "temporary-file-system"),
	})
	return nil
}

var errNoMounts = errors.New("the vassal has no mounts of its own")
