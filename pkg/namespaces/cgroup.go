package namespaces

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoCgroup says that there is no cgroup v2 hierarchy in which this process may
// make cgroups.
var ErrNoCgroup = errors.New("no cgroup v2 that can be written to")

// CgroupRoot is a cgroup that holds one cgroup for each process tree. It enables
// no controller, so that the rule against processes in inner cgroups does not
// apply (cgroups(7)).
type CgroupRoot struct {
	path string
	lock *os.File // of the directory, with flock(2); it ends with this process
}

// OpenCgroupRoot makes a cgroup below that of the calling process, or takes it
// over from an earlier owner of the name: what is empty in it is removed, what
// still has processes stays. The name may hold any byte. The error wraps
// ErrNoCgroup where there can be no such cgroup.
func OpenCgroupRoot(name string) (*CgroupRoot, error) {
	own, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	r := &CgroupRoot{path: filepath.Join(own, cgroupName(name))}
	_ = removeCgroups(r.path)
	for held := false; !held; { // again when a collector was quicker
		if err := os.Mkdir(r.path, 0o755); err != nil && !os.IsExist(err) {
			return nil, fmt.Errorf("%w: %w", ErrNoCgroup, err)
		}
		r.lock, held = lockCgroup(r.path)
	}
	if _, err := os.Stat(filepath.Join(r.path, "cgroup.kill")); err != nil {
		_ = r.Remove()
		return nil, fmt.Errorf("%w: the kernel has no cgroup.kill", ErrNoCgroup)
	}
	return r, nil
}

// lockCgroup marks a root as one that has an owner. It fails when the cgroup is
// not there any more.
func lockCgroup(path string) (lock *os.File, ok bool) {
	lock, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, !errors.Is(err, os.ErrNotExist)
	}
	_ = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) // held already: by an owner of this name
	ours, err := lock.Stat()
	there, gone := os.Stat(path)
	if err != nil || gone != nil || !os.SameFile(ours, there) {
		lock.Close()
		return nil, false
	}
	return lock, true
}

// CollectCgroups removes the roots whose names began with prefix, below the
// cgroup of the calling process, that their owners have left behind by dying, and
// kills what still runs in them. It waits for the end of that until ctx ends; what is
// left then is an error. Everything of an owner that lives stays.
func CollectCgroups(ctx context.Context, prefix string) error {
	own, err := ownCgroup()
	if err != nil {
		return nil //nolint:nilerr // where there are no cgroups nobody left any
	}
	entries, err := os.ReadDir(own)
	if err != nil {
		return fmt.Errorf("cannot look for cgroups that were left behind: %w", err)
	}
	var failed error
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) && isCgroupName(e.Name()) {
			failed = errors.Join(failed, collect(ctx, filepath.Join(own, e.Name())))
		}
	}
	return failed
}

// collect removes a root, if its owner is dead.
func collect(ctx context.Context, path string) error {
	lock, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // another collector was quicker
	}
	defer lock.Close()
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	if removeCgroups(path) == nil {
		return nil
	}
	left := &Cgroup{path: path, dir: lock}
	if err := left.Kill(); err != nil {
		return err
	}
	if err := left.Empty(ctx); err != nil {
		return err
	}
	return left.Remove()
}

// ownCgroup is the directory of the calling process's cgroup v2.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	path := cgroupPath(string(mounts), string(cgroups))
	if path == "" {
		return "", fmt.Errorf("%w: none is mounted", ErrNoCgroup)
	}
	return path, nil
}

// cgroupPath finds the directory of a cgroup v2, given as in /proc/PID/cgroup,
// among the mounts of /proc/PID/mountinfo. It is empty when no mount shows it.
func cgroupPath(mounts, cgroups string) string {
	own := ""
	for line := range strings.Lines(cgroups) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			own = p
		}
	}
	if own == "" || strings.HasPrefix(own, "/..") { // outside of our cgroup namespace
		return ""
	}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		shown, at := fields[3], fields[4]
		if below, ok := strings.CutPrefix(own+"/", strings.TrimSuffix(shown, "/")+"/"); ok {
			return filepath.Join(at, below)
		}
	}
	return ""
}

// Create makes a cgroup for one process tree. The name may hold any byte; two
// names never share a cgroup, and one that exists already is an error.
func (r *CgroupRoot) Create(name string) (*Cgroup, error) {
	path := filepath.Join(r.path, cgroupName(name))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &Cgroup{path: path, dir: dir}, nil
}

// Remove removes the root. Cgroups that are still in it are an error.
func (r *CgroupRoot) Remove() error {
	defer r.lock.Close() // of nil: nothing
	if err := os.Remove(r.path); err != nil {
		return fmt.Errorf("cannot remove cgroup: %w", err)
	}
	return nil
}

// Cgroup holds one process tree.
type Cgroup struct {
	path string
	dir  *os.File
}

// FD is a descriptor for Command.CgroupFD, valid until Remove.
func (c *Cgroup) FD() int { return int(c.dir.Fd()) }

// Kill sends SIGKILL to every process in the cgroup, also to those that are just
// being forked and to those in cgroups below it (cgroup.kill of cgroup-v2).
func (c *Cgroup) Kill() error {
	if err := os.WriteFile(filepath.Join(c.path, "cgroup.kill"), []byte("1"), 0); err != nil {
		return fmt.Errorf("cannot kill cgroup: %w", err)
	}
	return nil
}

// Empty blocks until no process is left in the cgroup and those below it. Zombies
// do not count. When ctx ends first the error wraps its cause.
func (c *Cgroup) Empty(ctx context.Context) error {
	file := filepath.Join(c.path, "cgroup.events")
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("cannot watch cgroup %q: %w", c.path, err)
	}
	// The kernel tells by poll(2) when the file has changed since it was read. In
	// the runtime's poller that costs no thread.
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

// Remove removes the cgroup and what the processes made below it. It must be
// empty of processes.
func (c *Cgroup) Remove() error {
	c.dir.Close()
	if err := removeCgroups(c.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove cgroup: %w", err)
	}
	return nil
}

// Release removes the cgroup, and lets go on what still runs in it: where the
// processes are that made the root.
func (c *Cgroup) Release() error {
	outside := filepath.Join(filepath.Dir(filepath.Dir(c.path)), "cgroup.procs")
	for range releases { // what forks while it is moved is found the next time
		err := os.Remove(c.path)
		if err == nil || !errors.Is(err, unix.EBUSY) {
			break
		}
		procs, err := os.ReadFile(filepath.Join(c.path, "cgroup.procs"))
		if err != nil {
			break
		}
		for pid := range strings.FieldsSeq(string(procs)) {
			_ = os.WriteFile(outside, []byte(pid), 0) // it may have ended
		}
	}
	return c.Remove()
}

// releases is how often Release tries.
const releases = 100

// removeCgroups removes a cgroup from the bottom up. Those with processes, and
// what is above them, stay and are an error.
func removeCgroups(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = removeCgroups(filepath.Join(path, e.Name())) // shows again above
		}
	}
	return os.Remove(path)
}

// isCgroupName reports whether a file name is one of cgroupName's: nobody else's
// cgroup has the hash of its own name.
func isCgroupName(file string) bool {
	at := strings.LastIndexByte(file, '-')
	return at > 0 && cgroupName(file[:at]) == file
}

// cgroupName makes a file name of any name: readable where that is possible,
// told apart by a hash, and nothing that the kernel gives a meaning to.
func cgroupName(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
	sum := sha256.Sum256([]byte(name))
	return safe[:min(len(safe), 100)] + "-" + hex.EncodeToString(sum[:8])
}
