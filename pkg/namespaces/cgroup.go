package namespaces

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup holds one process tree.
type Cgroup struct {
	path string
	dir  *os.File
	// outside is the cgroup of processes that Release lets continue.
	outside string
}

// FD returns a descriptor for Command.CgroupFD, valid until Remove.
func (c *Cgroup) FD() int { return int(c.dir.Fd()) }

// Memory returns it as the account of memory of its processes. It counts nothing where the memory controller is not enabled for it.
func (c *Cgroup) Memory() MemoryCgroup { return MemoryCgroup{Dir: c.path} }

// Kill sends SIGKILL to every process in the cgroup and in the cgroups below it, including
// processes that are just being forked (cgroup.kill of cgroup-v2). It lifts the quota of processor time:
// a killed process needs some to end, and kernels before 6.18 make it wait for its share.
func (c *Cgroup) Kill() error {
	if err := os.WriteFile(filepath.Join(c.path, "cgroup.kill"), []byte("1"), 0); err != nil {
		return fmt.Errorf("cannot kill cgroup: %w", err)
	}
	if quota, err := os.OpenFile(filepath.Join(c.path, "cpu.max"), os.O_WRONLY, 0); err == nil {
		_, _ = quota.WriteString("max")
		quota.Close()
	}
	return nil
}

// Empty blocks until no process is left in the cgroup and in the cgroups below it. Zombies do
// not count. When ctx ends first, the error wraps its cause.
func (c *Cgroup) Empty(ctx context.Context) error {
	var (
		file = filepath.Join(c.path, "cgroup.events")
		fd   int
		err  error
	)
	Bounded(func() { fd, err = unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) })
	if err != nil {
		return fmt.Errorf("cannot watch cgroup %q: %w", c.path, err)
	}
	// poll(2) reports when the file has changed since it was read. In the runtime's poller
	// this takes no thread.
	events := os.NewFile(uintptr(fd), file)
	defer events.Close()
	if empty, err := unpopulated(fd); empty || err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := events.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot watch cgroup %q: %w", c.path, err)
	}
	var look error
	wait := raw.Read(func(fd uintptr) (empty bool) {
		empty, look = unpopulated(int(fd))
		return empty || look != nil
	})
	if ctx.Err() != nil && wait != nil {
		return fmt.Errorf("cannot empty cgroup %q: %w", c.path, context.Cause(ctx))
	}
	return errors.Join(wait, look)
}

// unpopulated reads an open cgroup.events.
func unpopulated(events int) (bool, error) {
	buffer := make([]byte, 256)
	n, err := unix.Pread(events, buffer, 0)
	if err != nil {
		return false, fmt.Errorf("cannot watch cgroup: %w", err)
	}
	return strings.Contains(string(buffer[:n]), "populated 0"), nil
}

// Clear kills all processes in the cgroup, waits for their end at most for the timeout, and removes
// the cgroup in any case.
func (c *Cgroup) Clear(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var err error
	Bounded(func() { err = c.Kill() })
	if err == nil {
		err = c.Empty(ctx)
	}
	return errors.Join(err, c.Remove())
}

// Remove removes the cgroup and the cgroups that its processes made below it. No process may
// be left in them.
func (c *Cgroup) Remove() (err error) {
	Bounded(func() { err = c.remove() })
	return err
}

func (c *Cgroup) remove() error {
	c.dir.Close()
	if err := removeCgroups(c.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove cgroup: %w", err)
	}
	return nil
}

// Release removes the cgroup and lets its processes continue: it moves them to the leaf of hooks,
// or where nothing is limited to the cgroup of the process that made the root.
func (c *Cgroup) Release() (err error) {
	Bounded(func() { err = c.release() })
	return err
}

func (c *Cgroup) release() error {
	for range releases { // a process that forks while it is moved is found in the next round
		err := os.Remove(c.path)
		if err == nil || !errors.Is(err, unix.EBUSY) {
			break
		}
		procs, err := os.ReadFile(filepath.Join(c.path, "cgroup.procs"))
		if err != nil {
			break
		}
		for word := range strings.FieldsSeq(string(procs)) {
			if pid, err := strconv.Atoi(word); err == nil {
				_ = moveInto(c.outside, pid) // it may have ended
			}
		}
	}
	return c.remove()
}

// releases is the number of rounds in Release.
const releases = 100

// removeCgroups removes a tree of cgroups from the bottom up. A cgroup with processes stays,
// and so do the cgroups above it; both are errors.
func removeCgroups(path string) error {
	if err := unix.Rmdir(path); !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) { // most have none below
		return pathError("rmdir", path, err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = removeCgroups(filepath.Join(path, e.Name())) // the cgroup above reports the error again
		}
	}
	return pathError("rmdir", path, unix.Rmdir(path))
}

// pathError is an error about a path, if there is any.
func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// ownCgroup returns the directory of the calling process's cgroup v2.
func ownCgroup() (string, error) {
	mounts, err := cgroupMounts()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	path := shownAt(mounts, "", controllerPath(string(cgroups), ""))
	if path == "" {
		return "", fmt.Errorf("%w: none is mounted", ErrNoCgroup)
	}
	return path, nil
}
