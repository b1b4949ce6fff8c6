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

// CollectCgroups removes the roots whose names begin with prefix, below the cgroup
// of the calling process, that their owners have left behind by dying, and kills
// the processes that are still in them. It waits for their end until ctx ends; a
// root that is left then is an error.
//
// An owner is known to be dead by its lock, which ends with it. A root that
// another process has locked stays, whatever its name.
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
		if o, ok := strings.CutPrefix(e.Name(), prefix); ok && e.IsDir() && isCgroupName(e.Name()) {
			failed = errors.Join(failed, collect(ctx, filepath.Join(own, e.Name()), parseOwner(o)))
		}
	}
	return failed
}

// collect removes a root, if its owner is dead.
func collect(ctx context.Context, path string, o owner) error {
	lock, err := o.inherit(ctx, path)
	if err != nil {
		return nil //nolint:nilerr // it has an owner, or another collector was quicker
	}
	defer lock.Close()
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

// burialPause is the time between two tries for the lock of an owner that is dead.
const burialPause = 5 * time.Millisecond

// inherit locks the root of a dead owner. A child that was just being cloned when
// the owner died has its lock until it executes a program, or dies: where the owner
// is known to be dead that is waited for, until ctx ends.
func (o owner) inherit(ctx context.Context, path string) (*os.File, error) {
	for {
		lock, err := lockCgroup(path)
		if !errors.Is(err, unix.EWOULDBLOCK) || !o.dead() {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(burialPause):
		}
	}
}

// dead reports whether the owner is certain to be: there is no such process in its
// pid namespace, which is the caller's own.
func (o owner) dead() bool {
	return o.pidns != 0 && o.pidns == pidNamespace() && errors.Is(unix.Kill(o.pid, 0), unix.ESRCH)
}

// parseOwner reads the owner out of the name of a root, after its prefix. A name
// that does not tell gives the zero value.
func parseOwner(name string) owner {
	words := strings.Split(name, "-")
	if len(words) != 4 { // pid, namespace, salt, and the hash of cgroupName
		return owner{}
	}
	pid, err := strconv.ParseUint(words[0], 10, 31)
	pidns, bad := strconv.ParseUint(words[1], 10, 64)
	if err != nil || bad != nil || pid == 0 {
		return owner{}
	}
	return owner{pidns, int(pid), words[2]}
}
