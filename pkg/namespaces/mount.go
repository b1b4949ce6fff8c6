package namespaces

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// MountFlags are MS_* bits of mount(2).
type MountFlags uintptr

// flagWords are the names of flags.
type flagWords[F MountFlags | UmountFlags] []struct {
	name string
	flag F
}

func (w flagWords[F]) names() []string {
	names := make([]string, len(w))
	for i, f := range w {
		names[i] = f.name
	}
	return names
}

// parse parses words separated by commas; unknown is the first unknown word.
func (w flagWords[F]) parse(list string) (flags F, unknown string) {
	for word := range strings.SplitSeq(list, ",") {
		i := slices.Index(w.names(), word)
		if i < 0 {
			return 0, word
		}
		flags |= w[i].flag
	}
	return flags, ""
}

// mountFlags lists uWSGI's words for the flags of mount(2).
var mountFlags = flagWords[MountFlags]{
	{"bind", unix.MS_BIND},
	{"rbind", unix.MS_BIND | unix.MS_REC},
	{"rec", unix.MS_REC},
	{"recursive", unix.MS_REC},
	{"ro", unix.MS_RDONLY},
	{"readonly", unix.MS_RDONLY},
	{"rdonly", unix.MS_RDONLY},
	{"remount", unix.MS_REMOUNT},
	{"nosuid", unix.MS_NOSUID},
	{"nodev", unix.MS_NODEV},
	{"noexec", unix.MS_NOEXEC},
	{"private", unix.MS_PRIVATE},
	{"rprivate", unix.MS_PRIVATE | unix.MS_REC},
	{"slave", unix.MS_SLAVE},
	{"rslave", unix.MS_SLAVE | unix.MS_REC},
	{"shared", unix.MS_SHARED},
	{"rshared", unix.MS_SHARED | unix.MS_REC},
	{"unbindable", unix.MS_UNBINDABLE},
	{"move", unix.MS_MOVE},
	{"strictatime", unix.MS_STRICTATIME},
	{"relatime", unix.MS_RELATIME},
	{"noatime", unix.MS_NOATIME},
	{"nodiratime", unix.MS_NODIRATIME},
	{"sync", unix.MS_SYNCHRONOUS},
	{"synchronous", unix.MS_SYNCHRONOUS},
	{"dirsync", unix.MS_DIRSYNC},
	{"mand", unix.MS_MANDLOCK},
	{"silent", unix.MS_SILENT},
}

// umountFlags lists the words for umount2(2). rec is not a flag of the kernel: it unmounts
// everything below as well.
var umountFlags = flagWords[UmountFlags]{
	{"detach", unix.MNT_DETACH},
	{"force", unix.MNT_FORCE},
	{"expire", unix.MNT_EXPIRE},
	{"nofollow", unix.UMOUNT_NOFOLLOW},
	{"rec", umountRec},
	{"recursive", umountRec},
}

// TakesPath reports whether the source of such a mount is a path.
func (f MountFlags) TakesPath() bool { return f&(unix.MS_BIND|unix.MS_MOVE) != 0 }

// UmountFlags are MNT_* bits of umount2(2), and our own.
type UmountFlags uint

const umountRec UmountFlags = 1 << 31

const (
	// propagation flags need a mount(2) call of their own.
	propagation = MountFlags(unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_SHARED | unix.MS_UNBINDABLE)
	// perMount flags of a bind need a second mount(2) call.
	perMount = MountFlags(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME |
		unix.MS_NODIRATIME | unix.MS_RELATIME | unix.MS_STRICTATIME)
)

// MountFlagNames lists the words of ParseMountFlags.
func MountFlagNames() []string { return mountFlags.names() }

// UmountFlagNames lists the words of ParseUmountFlags.
func UmountFlagNames() []string { return umountFlags.names() }

// ParseMountFlags parses words separated by commas; unknown is the first unknown word.
func ParseMountFlags(list string) (flags MountFlags, unknown string) { return mountFlags.parse(list) }

// ParseUmountFlags does the same for umount2(2).
func ParseUmountFlags(list string) (flags UmountFlags, unknown string) {
	return umountFlags.parse(list)
}

// Mount describes a mount.
type Mount struct {
	// Type of the filesystem; ignored when the flags need none.
	Type string
	// Source and Target are absolute paths. Source is a path only when the flags or the
	// filesystem require one.
	Source, Target string
	Flags          MountFlags
	// Data are the filesystem's own options, such as size=64m.
	Data string
}

// Do mounts, sets the flags that need another call, and verifies the mount. It unmounts a
// mount that fails the verification. Symbolic links of other users cannot redirect the target,
// nor the source of a bind.
func (m Mount) Do() error {
	if err := m.do(); err != nil {
		return fmt.Errorf("cannot mount %q on %q: %w", m.Source, m.Target, err)
	}
	return nil
}

func (m Mount) do() error {
	target, err := openTarget(m.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	flags, later := m.Flags, m.Flags&propagation
	if flags &^= propagation; flags&^unix.MS_REC == 0 && later != 0 { // of an existing mount
		return unix.Mount("", byDescriptor(target), "", uintptr(later|flags), "")
	}
	if flags&unix.MS_REMOUNT != 0 {
		if err := unix.Mount(m.Source, byDescriptor(target), m.Type, uintptr(flags), m.Data); err != nil {
			return err
		}
		return m.verify(0)
	}
	before, err := mountID(target)
	if err != nil {
		return err
	}
	if err := m.attach(flags, byDescriptor(target)); err != nil {
		return err
	}
	if err := m.finish(flags, later, before); err != nil {
		_ = m.undo(before)
		return err
	}
	return nil
}

// attach makes the mount.
func (m Mount) attach(flags MountFlags, target string) error {
	source := m.Source
	if flags.TakesPath() {
		from, err := openTarget(m.Source)
		if err != nil {
			return err
		}
		defer from.Close()
		source = byDescriptor(from)
	}
	return unix.Mount(source, target, m.Type, uintptr(flags), m.Data)
}

// finish sets the flags that one call of mount(2) cannot set. It opens the path again, because
// the first descriptor names the directory below the mount.
func (m Mount) finish(flags, later MountFlags, before uint64) error {
	target, err := openTarget(m.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	if flags&unix.MS_BIND != 0 && flags&perMount != 0 {
		kept, err := inherited(target)
		if err != nil {
			return err
		}
		if err := unix.Mount("", byDescriptor(target), "", uintptr(unix.MS_REMOUNT|unix.MS_BIND|kept|flags&perMount), ""); err != nil {
			return fmt.Errorf("cannot set its flags: %w", err)
		}
	}
	if later != 0 {
		if err := unix.Mount("", byDescriptor(target), "", uintptr(later|flags&unix.MS_REC), ""); err != nil {
			return fmt.Errorf("cannot set its propagation: %w", err)
		}
	}
	return m.verify(before)
}

// inherited returns the flags that a bind has from its source. A remount without such a flag
// would clear it, which the kernel refuses in a user namespace.
func inherited(target *os.File) (MountFlags, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(target.Fd()), &fs); err != nil {
		return 0, err
	}
	var flags MountFlags
	for st, ms := range map[int64]MountFlags{
		unix.ST_RDONLY: unix.MS_RDONLY, unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV,
		unix.ST_NOEXEC: unix.MS_NOEXEC, unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME,
	} {
		if fs.Flags&st != 0 {
			flags |= ms
		}
	}
	return flags, nil
}

// verify compares the mount on the target with the request.
func (m Mount) verify(before uint64) error {
	target, err := openTarget(m.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	id, err := mountID(target)
	if err != nil {
		return err
	}
	if id == before {
		return errors.New("there is no mount afterwards")
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(target.Fd()), &fs); err != nil {
		return err
	}
	for _, f := range []struct {
		want MountFlags
		got  int64
		name string
	}{
		{unix.MS_RDONLY, unix.ST_RDONLY, "read-only"},
		{unix.MS_NOSUID, unix.ST_NOSUID, "nosuid"},
		{unix.MS_NODEV, unix.ST_NODEV, "nodev"},
		{unix.MS_NOEXEC, unix.ST_NOEXEC, "noexec"},
	} {
		if m.Flags&f.want != 0 && fs.Flags&f.got == 0 {
			return fmt.Errorf("it is not %s afterwards", f.name)
		}
	}
	return nil
}

// undo unmounts the mount of attach.
func (m Mount) undo(before uint64) error {
	target, err := openTarget(m.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	if id, err := mountID(target); err != nil || id == before {
		return err
	}
	return unix.Unmount(byDescriptor(target), unix.MNT_DETACH)
}

// mountID identifies the mount of a file.
func mountID(f *os.File) (uint64, error) {
	var st unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st)
	return st.Mnt_id, err
}

// Unmount unmounts the mount on the absolute path target.
func Unmount(target string, flags UmountFlags) error {
	targets := []string{target}
	if flags&umountRec != 0 {
		below, err := mountsBelow(target)
		if err != nil {
			return err
		}
		targets = append(below, target)
	}
	for _, t := range targets {
		if err := unmount(t, int(flags&^umountRec)); err != nil {
			return fmt.Errorf("cannot unmount %q: %w", t, err)
		}
	}
	return nil
}

// unmount uses a path, because a descriptor of the mount would keep it busy. The path goes
// through the descriptor of the parent directory, so that it names the file that was checked.
func unmount(target string, flags int) error {
	dir, name := filepath.Split(filepath.Clean(target))
	parent, err := openTarget(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	path := byDescriptor(parent) + "/" + name
	if link, err := os.Readlink(path); err == nil { // a link, followed as openTarget would
		if flags&unix.UMOUNT_NOFOLLOW != 0 {
			return fmt.Errorf("it is a symbolic link to %q", link)
		}
		if path, err = (rootDir{}).followFirst(target); err != nil {
			return err
		}
		return unmount(path, flags)
	}
	return unix.Unmount(path, flags|unix.UMOUNT_NOFOLLOW)
}

// mountsBelow lists the mount points under a directory in an order in which they can be unmounted. The order of the kernel's list
// does not say which mount lies on which.
func mountsBelow(dir string) ([]string, error) {
	inside := withSlash(filepath.Clean(dir))
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(m.Mountpoint, inside), false
	})
	// Of the mounts on one mount, a shorter path hides a longer one below it.
	slices.SortStableFunc(mounts, func(a, b *mountinfo.Info) int { return cmp.Compare(len(a.Mountpoint), len(b.Mountpoint)) })
	on := map[int][]*mountinfo.Info{}
	known := map[int]bool{}
	for _, m := range mounts {
		on[m.Parent], known[m.ID] = append(on[m.Parent], m), true
	}
	var found []string
	var add func(m *mountinfo.Info)
	add = func(m *mountinfo.Info) {
		for _, upper := range on[m.ID] {
			add(upper)
		}
		found = append(found, m.Mountpoint)
	}
	for _, m := range mounts {
		if !known[m.Parent] {
			add(m)
		}
	}
	return found, err
}
