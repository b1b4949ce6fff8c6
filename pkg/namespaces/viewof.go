package namespaces

import (
	"fmt"
	"os"
	"strings"
)

// View tells which parts of the file system a process does not share with its host.
type View struct {
	// Tmp and Devices: /tmp and /dev are file systems in memory, of its own mount namespace. Proc: other users' processes are
	// hidden. System: the root directory is read-only.
	Tmp, Devices, Proc, System bool
}

// ViewOf reads the view of a process from its mounts. In the mount namespace of this process nothing is its own.
func ViewOf(pid int) (v View, err error) {
	if ours, err := shares(pid, "mnt"); err != nil || ours {
		return v, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return v, fmt.Errorf("cannot read its mounts: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // proc_pid_mountinfo(5): id, parent, device, root, path, options, ..., -, type, source, options
		_, rest, ok := strings.Cut(line, " - ")
		g := strings.Fields(rest)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		own := g[0] == "tmpfs" && g[1] == "none" && f[3] == "/" // source of a file system without one, as ours are
		switch f[4] {
		case "/":
			v.System = strings.HasPrefix(f[5]+",", "ro,")
		case "/tmp":
			v.Tmp = own
		case "/dev":
			v.Devices = own
		case "/proc":
			v.Proc = strings.Contains(g[2], "hidepid=")
		}
	}
	return v, nil
}
