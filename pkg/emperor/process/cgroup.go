package process

import (
	"fmt"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// vassalCgroup begins the names of vassals' cgroups. The names of hooks' cgroups begin otherwise.
const vassalCgroup = "vassal."

// enclose makes the cgroup of a child before there is a process, with its limits in effect.
func (c *child) enclose() (err error) {
	r := c.request
	wish := r.Cgroup
	wish.Name = fmt.Sprintf("%s%s.%d", vassalCgroup, r.Config.Name, r.Generation)
	if c.cgroup, err = c.launcher.Cgroups.Create(wish); err != nil {
		return fmt.Errorf("cannot make a cgroup: %w", err)
	}
	c.limits = wish.Limits
	return nil
}

// relimit puts other limits into effect while the child runs.
func (c *child) relimit(limits []namespaces.CgroupLimit) error {
	if c.cgroup == nil {
		return nil // without cgroups a plan has no limits
	}
	if err := c.cgroup.Change(c.limits, limits); err != nil {
		return err
	}
	c.limits = limits
	return nil
}
