package namespaces

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The leaves below the cgroup of a service, beside the root of its vassals: the processes of the
// emperor, and processes that its hooks have left behind. The cgroup above has no process of its own
// then, which the kernel requires before it limits cgroups below (no internal processes,
// cgroups(7)).
const (
	supervisorLeaf = "supervisor"
	hooksLeaf      = "hooks"
)

// Controllers are the controllers that the emperor uses where the service manager delegates them.
var Controllers = []string{"cpu", "memory", "pids", "io"}

// homeCgroup returns the cgroup in which this process makes others: its own, or the one above
// when it is in the leaf for the supervisor already (DelegateSubgroup= of systemd.service(5)).
func homeCgroup() (home, own string, err error) {
	own, err = ownCgroup()
	return homeOf(own), own, err
}

func homeOf(own string) string {
	above := filepath.Dir(own)
	if filepath.Base(own) != supervisorLeaf {
		return own
	}
	if procs, err := processesIn(above); delegated(above) || err == nil && len(procs) == 0 {
		return above
	}
	return own
}

// processesIn lists the processes of a cgroup, without those below it. A process of another pid
// namespace is 0.
func processesIn(dir string) (pids []int, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// Limiting is the result of CgroupRoot.EnableLimits.
type Limiting struct {
	// Controllers limit the cgroups of the root.
	Controllers []string
	// Why explains why there are none, or not all. Nil: all of Controllers are there.
	Why error
	// Unprotected is the reason why the supervisor has no protection of its own. Nil: it has.
	Unprotected error
}

// EnableLimits makes the controllers that the service manager has delegated limit the cgroups of
// the root. For this it moves the calling process, and in a delegated cgroup all others, into
// leaves below. The leaf of this process gets protection: the given limits. It is called before
// the first Create.
func (r *CgroupRoot) EnableLimits(supervisor, hooks []CgroupLimit) (l Limiting) {
	home, own, err := homeCgroup()
	if err != nil {
		return Limiting{Why: err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	have := controllersIn(home, "cgroup.controllers")
	if len(have) == 0 {
		return Limiting{Why: errors.New("no controller is delegated to " + home)}
	}
	if own == home {
		if l.Why = settle(home); l.Why != nil {
			return l
		}
	}
	for _, dir := range []string{home, r.path} {
		if err := enable(dir, have); err != nil {
			l.Why = err
		}
	}
	l.Controllers = controllersIn(r.path, "cgroup.subtree_control")
	r.home, r.controllers, r.hooks = home, l.Controllers, l.only(hooks)
	l.Unprotected = setLimits(filepath.Join(home, supervisorLeaf), l.only(supervisor))
	if err := r.makeHooksLeaf(); err != nil && l.Why == nil {
		l.Why = err
	}
	return l
}

// only returns the limits whose controllers are there.
func (l Limiting) only(limits []CgroupLimit) (list []CgroupLimit) {
	for _, c := range limits {
		if slices.Contains(l.Controllers, c.Controller()) {
			list = append(list, c)
		}
	}
	return list
}

// settle moves the processes of a cgroup into leaves below it: this process, and others that a
// delegated cgroup may contain, such as processes of hooks. Processes of a cgroup that is not
// delegated are not ours.
func settle(home string) error {
	if _, err := os.Stat(filepath.Join(home, "cgroup.type")); errors.Is(err, fs.ErrNotExist) {
		return nil // the root of the hierarchy may have processes
	}
	procs, err := processesIn(home)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(procs, func(pid int) bool { return pid == os.Getpid() })
	if len(others) > 0 && !delegated(home) {
		return fmt.Errorf("other processes are in the emperor's cgroup %s", home)
	}
	if err := moveInto(filepath.Join(home, supervisorLeaf), os.Getpid()); err != nil {
		return err
	}
	for _, pid := range others {
		_ = moveInto(filepath.Join(home, hooksLeaf), pid) // it may have ended
	}
	return nil
}

func moveInto(leaf string, pid int) error {
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return writeCgroup(filepath.Join(leaf, "cgroup.procs"), strconv.Itoa(pid))
}

// enable makes controllers limit the cgroups below dir, one by one: the kernel takes all of a
// line or none. The error is about the last one that it refuses.
func enable(dir string, have []string) (refused error) {
	file := filepath.Join(dir, "cgroup.subtree_control")
	on := controllersIn(dir, "cgroup.subtree_control")
	for _, name := range Controllers {
		if !slices.Contains(have, name) {
			refused = fmt.Errorf("there is no %s controller in %s", name, dir)
			continue
		}
		if slices.Contains(on, name) {
			continue
		}
		if err := writeCgroup(file, "+"+name); err != nil {
			refused = fmt.Errorf("cannot enable the %s controller: %w", name, err)
		}
	}
	return refused
}

func controllersIn(dir, file string) []string {
	text, _ := os.ReadFile(filepath.Join(dir, file)) // without the file there are none
	return strings.Fields(string(text))
}

// makeHooksLeaf makes the leaf of processes that hooks leave behind.
func (r *CgroupRoot) makeHooksLeaf() error {
	dir := filepath.Join(r.home, hooksLeaf)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return setLimits(dir, r.hooks)
}

// Missing returns the error about the first limit whose controller the root does not have, and
// cannot enable. Nil: it has all.
func (r *CgroupRoot) Missing(limits []CgroupLimit) error {
	for _, l := range limits {
		if !r.Limits(l) {
			return NoController(l.Option, l.Controller())
		}
	}
	return nil
}

// Limits reports whether the root has the controller of a limit. Controllers that few need, such
// as cpuset, are enabled by the first call. A nil root has none.
func (r *CgroupRoot) Limits(l CgroupLimit) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	name := l.Controller()
	if name == "" || slices.Contains(r.controllers, name) {
		return true
	}
	if r.home == "" || slices.Contains(Controllers, name) {
		return false
	}
	dirs := append([]string{r.home, r.path}, r.groupDirs()...)
	for _, dir := range dirs {
		if writeCgroup(filepath.Join(dir, "cgroup.subtree_control"), "+"+name) != nil {
			return false
		}
	}
	r.controllers = append(slices.Clip(r.controllers), name)
	return true
}
