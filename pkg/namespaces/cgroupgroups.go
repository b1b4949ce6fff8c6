package namespaces

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// groupPrefix begins the names of cgroups that several process trees share.
const groupPrefix = "group."

// delegate makes the root's controllers limit the cgroups below a cgroup of ours.
func (r *CgroupRoot) delegate(path string) error {
	for _, name := range r.controllers {
		if err := writeCgroup(filepath.Join(path, "cgroup.subtree_control"), "+"+name); err != nil {
			return fmt.Errorf("cannot enable the %s controller: %w", name, err)
		}
	}
	return nil
}

// groupDir returns the cgroup of a group, and makes it, with its limits, when there is none yet.
// An empty name is the root itself.
func (r *CgroupRoot) groupDir(root, name string) (string, error) {
	if name == "" {
		return root, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	path := filepath.Join(root, r.digest.name(groupPrefix+name))
	if err := os.Mkdir(path, 0o755); errors.Is(err, fs.ErrExist) {
		return path, nil
	} else if err != nil {
		return "", err
	}
	err := r.delegate(path)
	if err == nil {
		err = setLimits(path, r.groups[name])
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("limit-group %s: %w", name, err), os.Remove(path))
	}
	return path, nil
}

// groupDirs lists the cgroups of groups. The caller holds r.mu.
func (r *CgroupRoot) groupDirs() (dirs []string) {
	for name := range r.groups {
		if dir := filepath.Join(r.path, r.digest.name(groupPrefix+name)); isThere(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// SetGroup sets the limits of a group, also of its processes that run. A group without limits
// keeps its name until Remove.
func (r *CgroupRoot) SetGroup(name string, limits []CgroupLimit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.groups[name]
	if known && slices.Equal(was, limits) {
		return nil
	}
	dir := filepath.Join(r.path, r.digest.name(groupPrefix+name))
	if isThere(dir) {
		if err := changeLimits(dir, was, limits); err != nil {
			return fmt.Errorf("limit-group %s: %w", name, err)
		}
	}
	if r.groups == nil {
		r.groups = map[string][]CgroupLimit{}
	}
	r.groups[name] = limits
	return nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
