package namespaces

import (
	"bufio"
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

// CgroupRoot is a cgroup that holds one cgroup for each process tree.
type CgroupRoot struct{ path string }

// OpenCgroupRoot makes the cgroup name below that of the calling process, or
// takes it over when it is there and empty of processes. The error wraps
// ErrNoCgroup where that is not possible at all.
func OpenCgroupRoot(name string) (*CgroupRoot, error) {
	own, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	r := &CgroupRoot{path: filepath.Join(own, cgroupName(name))}
	if err := os.Mkdir(r.path, 0o755); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	if _, err := os.Stat(filepath.Join(r.path, "cgroup.kill")); err != nil {
		_ = os.Remove(r.path)
		return nil, fmt.Errorf("%w: the kernel has no cgroup.kill", ErrNoCgroup)
	}
	return r, nil
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
	root, path := "", ""
	for lines := bufio.NewScanner(strings.NewReader(string(mounts))); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			root = fields[4]
		}
	}
	for lines := bufio.NewScanner(strings.NewReader(string(cgroups))); lines.Scan(); {
		if p, ok := strings.CutPrefix(lines.Text(), "0::"); ok {
			path = p
		}
	}
	if root == "" || path == "" {
		return "", fmt.Errorf("%w: none is mounted", ErrNoCgroup)
	}
	return filepath.Join(root, path), nil
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
func (r *CgroupRoot) Remove() error { return os.Remove(r.path) }

// Cgroup holds one process tree.
type Cgroup struct {
	path string
	dir  *os.File
}

// FD is a descriptor for Command.CgroupFD, valid until Remove.
func (c *Cgroup) FD() int { return int(c.dir.Fd()) }

// Kill sends SIGKILL to every process in the cgroup, also to those that are just
// being forked (cgroup.kill of cgroup-v2).
func (c *Cgroup) Kill() error {
	if err := os.WriteFile(filepath.Join(c.path, "cgroup.kill"), []byte("1"), 0); err != nil {
		return fmt.Errorf("cannot kill cgroup: %w", err)
	}
	return nil
}

// Empty blocks until no process is left in the cgroup. Zombies do not count. The
// kernel tells when that changes; the look every second is for a host whose
// kernel does not.
func (c *Cgroup) Empty(ctx context.Context) error {
	events, err := os.Open(filepath.Join(c.path, "cgroup.events"))
	if err != nil {
		return fmt.Errorf("cannot watch cgroup: %w", err)
	}
	defer events.Close()
	buffer := make([]byte, 256)
	for {
		n, err := events.ReadAt(buffer, 0)
		if n == 0 && err != nil {
			return fmt.Errorf("cannot watch cgroup: %w", err)
		}
		if strings.Contains(string(buffer[:n]), "populated 0") {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("cannot empty cgroup %q: %w", c.path, ctx.Err())
		}
		poll := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(poll, int(time.Second/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("cannot watch cgroup: %w", err)
		}
	}
}

// Remove removes the cgroup, which must be empty.
func (c *Cgroup) Remove() error {
	c.dir.Close()
	return os.Remove(c.path)
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
