package namespaces

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// View tells which parts of the file system a process does not share with its host.
type View struct {
	// Tmp and Devices: /tmp and /dev are file systems in memory, of its own mount namespace. Proc: other users' processes are
	// hidden. System: the root directory is read-only.
	Tmp, Devices, Proc, System bool
}

// ViewOf reads the view of a process from its mounts. In the mount namespace of this process nothing is its own.
func ViewOf(pid int) (v View, err error) {
	if ours, err := Shares(pid, "mnt"); err != nil || ours {
		return v, err
	}
	table, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return v, fmt.Errorf("cannot read its mounts: %w", err)
	}
	defer table.Close()
	mounts, err := mountinfo.GetMountsFromReader(table, nil)
	if err != nil {
		return v, fmt.Errorf("cannot read its mounts: %w", err)
	}
	for _, m := range mounts {
		own := m.FSType == "tmpfs" && m.Source == "none" && m.Root == "/" // source of a file system without one, as ours are
		switch m.Mountpoint {
		case "/":
			v.System = strings.HasPrefix(m.Options+",", "ro,")
		case "/tmp":
			v.Tmp = own
		case "/dev":
			v.Devices = own
		case "/proc":
			v.Proc = strings.Contains(m.VFSOptions, "hidepid=")
		}
	}
	return v, nil
}
