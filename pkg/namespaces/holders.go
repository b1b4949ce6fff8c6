package namespaces

import (
	"fmt"
	"os"
	"strconv"
)

// Tree lists a process and its descendants through living parents, up to a limit.
func Tree(pid int) (list []int) {
	list = []int{pid}
	for i := 0; i < len(list) && len(list) < maxTree; i++ {
		list = append(list, Children(list[i])...)
	}
	return list
}

// HasSocket reports whether a process has a descriptor of one of the sockets with these
// inodes. The error means that its descriptors cannot be read: it belongs to another user, has
// made itself undumpable (prctl(2), PR_SET_DUMPABLE), or is gone.
func HasSocket(pid int, inodes ...uint64) (bool, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	d, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return false, err
	}
	wanted := map[string]bool{}
	for _, inode := range inodes {
		wanted["socket:["+strconv.FormatUint(inode, 10)+"]"] = true
	}
	for _, name := range names {
		to, err := os.Readlink(dir + "/" + name)
		if err == nil && wanted[to] {
			return true, nil
		}
		if os.IsPermission(err) {
			return false, err
		}
	}
	return false, nil
}

// StartOf returns when a process was started, in ticks since the boot of the machine
// (proc_pid_stat(5)). Zero: it cannot be read.
func StartOf(pid int) uint64 {
	ticks, _ := startOf(pid)
	return ticks
}
