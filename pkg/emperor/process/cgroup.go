package process

import (
	"fmt"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// vassalCgroup begins the names of vassals' cgroups. The names of hooks' cgroups begin otherwise.
const vassalCgroup = "vassal."

// enclose makes the cgroup before there is a process, with its limits in effect.
func (r *resources) enclose() (err error) {
	wish := r.request.Cgroup
	wish.Name = fmt.Sprintf("%s%s.%d", vassalCgroup, r.request.Config.Name, r.request.Generation)
	if r.cgroup, err = r.launcher.Cgroups.Create(wish); err != nil {
		return fmt.Errorf("cannot make a cgroup: %w", err)
	}
	r.limits = wish.Limits
	return nil
}

// relimit puts other limits into effect while the process runs.
func (r *resources) relimit(limits []namespaces.CgroupLimit) error {
	if r.cgroup == nil {
		return nil // without cgroups a plan has no limits
	}
	if err := r.cgroup.Change(r.limits, limits); err != nil {
		return err
	}
	r.limits = limits
	return nil
}

// clearCgroup kills the remaining processes of the vassal, and waits until they are gone.
func (r *resources) clearCgroup() error {
	if r.cgroup == nil {
		return nil
	}
	return r.cgroup.Clear(clearTimeout)
}
