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

// CollectCgroups removes cgroup roots that dead owners have left behind: roots whose names
// begin with prefix, below the cgroup of the calling process's service. It kills the processes that are
// still in them, and waits for their end until ctx ends; a root that remains then is an error.
//
// A lock, which ends with the owner, shows whether the owner lives. A root that another
// process has locked stays, whatever its name.
func CollectCgroups(ctx context.Context, prefix string, digest Digest) error {
	home, _, err := homeCgroup()
	if err != nil {
		return nil //nolint:nilerr // where there are no cgroups, none are left behind
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return fmt.Errorf("cannot look for cgroups that were left behind: %w", err)
	}
	var failed error
	for _, e := range entries {
		if o, ok := strings.CutPrefix(e.Name(), prefix); ok && e.IsDir() && digest.made(e.Name()) {
			failed = errors.Join(failed, collect(ctx, filepath.Join(home, e.Name()), parseOwner(o)))
		}
	}
	return failed
}

// collect removes a root if its owner is dead.
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

// burialPause is the interval between two attempts to lock the root of a dead owner.
const burialPause = 5 * time.Millisecond

// inherit locks the root of a dead owner. A child that was being cloned when the owner died
// holds the owner's lock until it executes a program, or dies. When the owner is known to be
// dead, inherit waits for that until ctx ends.
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

// dead reports whether the owner is certainly dead: the owner's pid namespace is the caller's,
// and has no such process.
func (o owner) dead() bool {
	return o.pidns != 0 && o.pidns == pidNamespace() && errors.Is(unix.Kill(o.pid, 0), unix.ESRCH)
}

// parseOwner parses the owner in the name of a root, after its prefix. It returns the zero
// value when the name has another form.
func parseOwner(name string) owner {
	words := strings.Split(name, "-")
	if len(words) != 4 { // pid, namespace, salt, and the hash of Digest.name
		return owner{}
	}
	pid, err := strconv.ParseUint(words[0], 10, 31)
	pidns, bad := strconv.ParseUint(words[1], 10, 64)
	if err != nil || bad != nil || pid == 0 {
		return owner{}
	}
	return owner{pidns, int(pid), words[2]}
}
