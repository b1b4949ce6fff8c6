package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNoCgroup is returned when there is no cgroup v2 hierarchy in which this process may make
// cgroups.
var ErrNoCgroup = errors.New("no writable cgroup v2 hierarchy")

// CgroupRoot is a cgroup that contains one cgroup for each process tree. Its methods may be
// called from many goroutines at the same time.
type CgroupRoot struct {
	// Renewed is called when Create had to make the root again. Nil: no call. It must be set
	// before the first Create.
	Renewed func(path string)

	prefix string
	digest Digest
	mu     sync.Mutex // protects the following fields; held while the root is made again
	path   string
	lock   *os.File // on the directory, with flock(2); the kernel releases it when this process ends

	home        string   // the cgroup of the service, above the root; empty: nothing is limited
	controllers []string // that limit the cgroups of the root
	hooks       []CgroupLimit
	groups      map[string][]CgroupLimit // by the name of the group
}

// OpenCgroupRoot makes a cgroup below the cgroup of the calling process. Its name begins with
// prefix and is unique on this host, even when pid namespaces and containers share the
// hierarchy. The root is locked until Remove or the end of the process (see CollectCgroups).
// The error wraps ErrNoCgroup when no such cgroup can be made.
func OpenCgroupRoot(prefix string, digest Digest) (*CgroupRoot, error) {
	r := &CgroupRoot{prefix: prefix, digest: digest}
	if err := r.make(); err != nil {
		return nil, err
	}
	return r, nil
}

// InheritCgroupRoot returns the root of an earlier emperor, with the results of its HandOver.
func InheritCgroupRoot(prefix string, digest Digest, path string, lock *os.File) (*CgroupRoot, error) {
	if err := named(lock, path); err != nil {
		return nil, fmt.Errorf("cannot inherit cgroup: %w", err)
	}
	return &CgroupRoot{prefix: prefix, digest: digest, path: path, lock: lock}, nil
}

// HandOver gives the root, with the cgroups in it, to a later emperor: it returns its path, and the
// descriptor that holds its lock. Remove then removes nothing, and no other method may be called.
func (r *CgroupRoot) HandOver() (path string, lock *os.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path, lock = r.path, r.lock
	r.path, r.lock = "", nil
	return path, lock
}

// HandOverCgroup changes the owner of the calling process's cgroup to a user, who may then
// make cgroups in it and move processes there (cgroups(7), delegation). It does so only when
// the service manager has delegated the cgroup (Delegate=yes, systemd.resource-control(5));
// otherwise the cgroup belongs to the host, and given is false.
func HandOverCgroup(uid, gid int) (given bool, err error) {
	home, own, err := homeCgroup()
	if err != nil || !delegated(home) {
		return false, nil //nolint:nilerr // there is none to give
	}
	files := []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}
	if own != home {
		files = append(files, supervisorLeaf, supervisorLeaf+"/cgroup.procs", supervisorLeaf+"/cpu.weight", supervisorLeaf+"/memory.min")
	}
	for _, file := range files {
		if err := os.Lchown(filepath.Join(home, file), uid, gid); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, fmt.Errorf("cannot hand over the cgroup: %w", err)
		}
	}
	return true, nil
}

// delegated reports whether a service manager has marked a cgroup as delegated to the service
// (systemd: docs/CGROUP_DELEGATION).
func delegated(path string) bool {
	for _, mark := range []string{"user.delegate", "trusted.delegate"} {
		var value [2]byte
		if n, err := unix.Lgetxattr(path, mark, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// rootMode lets all users reach the cgroups in a root, and only the owner open the root
// itself: a process that can open it can lock it, and so prevent its removal.
const rootMode = 0o711

// attempts is the number of new roots that collectors may remove before they are locked.
const attempts = 100

func (r *CgroupRoot) make() error {
	home, _, err := homeCgroup()
	if err != nil {
		return err
	}
	for range attempts {
		path := filepath.Join(home, r.digest.name(r.prefix+newOwner().String()))
		if err := os.Mkdir(path, rootMode); os.IsExist(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrNoCgroup, err)
		}
		lock, err := lockCgroup(path)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
			continue // a collector has found it unlocked and removes it
		}
		if err != nil {
			return fmt.Errorf("cannot lock cgroup: %w", errors.Join(err, os.Remove(path)))
		}
		if _, err := os.Stat(filepath.Join(path, "cgroup.kill")); err != nil {
			lock.Close()
			return fmt.Errorf("%w: the kernel has no cgroup.kill", errors.Join(ErrNoCgroup, os.Remove(path)))
		}
		if err := r.delegate(path); err != nil {
			return errors.Join(err, lock.Close(), os.Remove(path))
		}
		r.path, r.lock = path, lock
		return nil
	}
	return errors.New("cannot lock a cgroup: other processes lock each new one")
}

// lockCgroup locks a root for its owner. The error wraps EWOULDBLOCK when another process has
// locked it, and os.ErrNotExist when the root does not exist any more.
func lockCgroup(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		err = named(lock, path)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// named checks that a path still names an open file.
func named(f *os.File, path string) error {
	ours, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(path)
	if err == nil && !os.SameFile(ours, there) {
		err = os.ErrNotExist
	}
	return err
}

// CgroupWish describes a cgroup for one process tree.
type CgroupWish struct {
	// Name may contain any byte; two names never share a cgroup.
	Name string
	// Group is a group that it shares limits with (SetGroups). Empty: none.
	Group string
	// Below is a path below the cgroup, where processes start. Empty: in the cgroup itself.
	Below string
	// Limits apply to the whole cgroup.
	Limits []CgroupLimit
}

// Create makes a cgroup for one process tree, with its limits in effect: no process can be in it
// before. An existing cgroup is an error, and so is a limit that the kernel does not take. When
// the root has been removed, Create makes it again, below the cgroup in which the calling process
// is then.
func (r *CgroupRoot) Create(w CgroupWish) (*Cgroup, error) {
	var (
		c   *Cgroup
		err error
	)
	Bounded(func() {
		root := r.where()
		if c, err = r.create(root, w); !errors.Is(err, os.ErrNotExist) {
			return
		}
		if root, err = r.renew(root); err == nil {
			c, err = r.create(root, w)
		}
	})
	return c, err
}

// CreateForHook makes a cgroup for a program of a hook, with the limits of hooks.
func (r *CgroupRoot) CreateForHook(name string) (*Cgroup, error) {
	r.mu.Lock()
	limits := r.hooks
	r.mu.Unlock()
	return r.Create(CgroupWish{Name: name, Limits: limits})
}

// Holds reports whether a process is in one of the root's cgroups whose names begin with
// prefix, or below it.
func (r *CgroupRoot) Holds(c *Caller, prefix string) (bool, error) {
	cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.PID))
	if err = c.sure(err); err != nil {
		return false, err
	}
	mounts, err := cgroupMounts()
	if err != nil {
		return false, fmt.Errorf("cannot inspect process %d: %w", c.PID, err)
	}
	inside, below := strings.CutPrefix(shownAt(mounts, "", controllerPath(string(cgroups), "")), r.where()+"/")
	if group, member, ok := strings.Cut(inside, "/"); ok && strings.HasPrefix(group, safeName(groupPrefix)) {
		inside = member
	}
	return below && strings.HasPrefix(inside, safeName(prefix)), nil
}

func (r *CgroupRoot) create(root string, w CgroupWish) (*Cgroup, error) {
	parent, err := r.groupDir(root, w.Group)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(parent, r.digest.name(w.Name))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	var dir *os.File
	if err = setLimits(path, w.Limits); err == nil {
		dir, err = startingIn(path, w.Below)
	}
	if err != nil {
		return nil, errors.Join(err, removeCgroups(path))
	}
	return &Cgroup{path: path, dir: dir, outside: r.outside(root)}, nil
}

// startingIn opens the cgroup, below path, in which processes start.
func startingIn(path, below string) (*os.File, error) {
	start := filepath.Join(path, below)
	if below != "" {
		if err := os.MkdirAll(start, 0o755); err != nil {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	return os.OpenFile(start, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
}

// outside is the cgroup for processes that are released.
func (r *CgroupRoot) outside(root string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.home != "" {
		return filepath.Join(r.home, hooksLeaf)
	}
	return filepath.Dir(root)
}

func (r *CgroupRoot) where() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.path
}

// renew makes the root again and returns its path, unless another goroutine has done so since
// the path was was. Only an empty cgroup can be removed, so no living process was in the old
// one.
func (r *CgroupRoot) renew(was string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path != was {
		return r.path, nil
	}
	if _, err := os.Stat(was); err == nil {
		return was, nil // only the cgroup in it is missing
	}
	old := r.lock
	if err := r.make(); err != nil {
		return "", fmt.Errorf("the root of the cgroups was removed, and cannot be made again: %w", err)
	}
	old.Close()
	if r.Renewed != nil {
		r.Renewed(r.path)
	}
	return r.path, nil
}

// Remove removes the root. Cgroups in it are an error; a root that does not exist is not.
func (r *CgroupRoot) Remove() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lock == nil { // it was handed over
		return nil
	}
	defer r.lock.Close()
	for _, dir := range r.groupDirs() {
		_ = os.Remove(dir) // with a cgroup in it the root stays as well
	}
	if err := os.Remove(r.path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cannot remove cgroup: %w", err)
	}
	if r.home != "" {
		_ = os.Remove(filepath.Join(r.home, hooksLeaf)) // not with a process in it; another emperor makes it again
	}
	return nil
}

// owner is the part of a root's name that identifies its owner.
type owner struct {
	// pidns is the inode of the pid namespace of pid.
	pidns uint64
	pid   int
	// salt distinguishes owners whose numbers are equal: the kernel reuses both.
	salt string
}

// newOwner returns this process as an owner, with a new salt.
func newOwner() owner {
	var salt [8]byte
	_, _ = unix.Getrandom(salt[:], 0) // the kernel gives so few bytes always
	return owner{pidNamespace(), os.Getpid(), fmt.Sprintf("%x", salt)}
}

// pidNamespace returns the inode of the calling process's pid namespace; zero: unknown.
func pidNamespace() uint64 {
	var s unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &s) != nil {
		return 0
	}
	return s.Ino
}

// String returns the owner in the form PID-PIDNS-SALT.
func (o owner) String() string { return fmt.Sprintf("%d-%d-%s", o.pid, o.pidns, o.salt) }

// Digest is SHA-256. Only the emperor makes names of cgroups: a vassal does not carry the code.
type Digest func([]byte) [32]byte

// made reports whether a file name was made by name: it contains the hash of its own name.
func (d Digest) made(file string) bool {
	at := strings.LastIndexByte(file, '-')
	return at > 0 && d.name(file[:at]) == file
}

// name makes a unique file name from any name: readable where possible, with a hash, and without
// special meaning for the kernel.
func (d Digest) name(name string) string {
	safe, sum := safeName(name), d([]byte(name))
	return fmt.Sprintf("%s-%x", safe[:min(len(safe), 100)], sum[:8])
}

func safeName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
}
