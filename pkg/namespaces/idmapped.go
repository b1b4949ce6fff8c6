package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// FirstMapped returns the source of the first bind that shows its files with other owners. Empty: there is none.
func (f FileSystem) FirstMapped() string {
	for _, p := range f.Places {
		if p.Mapped {
			return p.Source
		}
	}
	return ""
}

// Idmapped opens the sources of these binds of a view as mounts in which files have other owners, by maps from ids on disk to ids of this
// process (mount_setattr(2), MOUNT_ATTR_IDMAP), and returns the view with the places of their descriptors. Only this process's root may
// make them: a process in a user namespace attaches them. The caller closes the files.
func (f FileSystem) Idmapped(ids *IDs) (_ FileSystem, trees []*os.File, err error) {
	defer func() {
		if err != nil {
			closeFiles(trees)
		}
	}()
	var owners *os.File
	places := make([]Place, len(f.Places))
	for i, p := range f.Places {
		places[i] = p
		if !p.Mapped {
			continue
		}
		if owners == nil {
			if owners, err = userNamespace(ids); err != nil {
				return f, trees, fmt.Errorf("cannot map the owners of files: %w", err)
			}
			defer owners.Close()
		}
		one := &place{Place: p}
		if err = one.idmap(owners); errors.Is(err, os.ErrNotExist) && p.Optional {
			continue // the process finds nothing either
		} else if err != nil {
			return f, trees, one.error(err)
		}
		trees = append(trees, one.tree)
		places[i].Tree = len(trees)
	}
	f.Places = places
	for _, t := range trees {
		f.Trees = append(f.Trees, int(t.Fd()))
	}
	return f, trees, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// idmap opens the source of a bind as a mount with the owners of a user namespace.
func (p *place) idmap(owners *os.File) error {
	if err := p.bind(); err != nil {
		return err
	}
	flags := uint(unix.AT_EMPTY_PATH)
	if p.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(int(p.tree.Fd()), "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(owners.Fd())})
	if err == nil {
		return nil
	}
	defer p.tree.Close()
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("the file system %s cannot show files with other owners (idmapped mounts)", p.fileSystems())
	}
	return os.NewSyscallError("mount_setattr", err)
}

// fileSystems names the file systems of the source of a bind, by the mounts of this process.
func (p *place) fileSystems() string {
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return "of " + p.Source
	}
	return p.fileSystemsIn(mounts)
}

// fileSystemsIn names the file system on which the source of a bind lies, and the ones below it that a recursive bind
// has as well. Of two mounts at one place, the later one hides the earlier one.
func (p *place) fileSystemsIn(mounts []*mountinfo.Info) string {
	source := withSlash(filepath.Clean(p.Source))
	kind, at, below := "", "", ""
	for _, m := range mounts {
		switch point := withSlash(m.Mountpoint); {
		case strings.HasPrefix(source, point) && len(point) >= len(at):
			kind, at = m.FSType, point
		case p.Recursive && strings.HasPrefix(point, source):
			below += ", or " + m.FSType + " at " + m.Mountpoint
		}
	}
	return kind + " at " + filepath.Clean(at) + below
}

// withSlash returns a path with one slash at its end.
func withSlash(path string) string { return strings.TrimSuffix(path, "/") + "/" }

// userNamespace makes a user namespace with maps, without a process in it.
func userNamespace(ids *IDs) (*os.File, error) {
	runtime.LockOSThread() // the thread that traces a process must wait for it
	defer runtime.UnlockOSThread()
	// The program stops before its first instruction (ptrace(2), PTRACE_TRACEME).
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"emperor-ids"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids.UIDs, GidMappings: ids.GIDs, Ptrace: true, Pdeathsig: syscall.SIGKILL,
	}})
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // not reaped yet: the pid still belongs to it
		for {
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) && (err != nil || !status.Stopped()) {
				return
			}
		}
	}()
	return PID(pid).OpenNamespace(NewUser)
}
