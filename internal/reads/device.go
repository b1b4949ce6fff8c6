package reads

import (
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// deviceOf returns the device of the file system that is mounted at a path. It reads the
// kernel's table and not the file system, which may hang. Without that table all paths have
// one device.
func deviceOf(path string) (device uint64) {
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return 0
	}
	return deviceIn(mounts, path)
}

// deviceIn returns the device at a path. Of several mounts the deepest counts, and of mounts
// at one place the last.
func deviceIn(mounts []*mountinfo.Info, path string) (device uint64) {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	deepest := -1
	for _, m := range mounts {
		at := m.Mountpoint
		if len(at) >= deepest && (at == "/" || path == at || strings.HasPrefix(path, at+"/")) {
			deepest, device = len(at), unix.Mkdev(uint32(m.Major), uint32(m.Minor))
		}
	}
	return device
}
