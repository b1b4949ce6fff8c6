package reads

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// deviceOf returns the device of the file system that is mounted at a path. It reads the
// kernel's table and not the file system, which may hang. Without that table all paths have
// one device.
func deviceOf(path string) (device uint64) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0
	}
	return deviceIn(string(table), path)
}

// deviceIn looks up a path in a table (proc_pid_mountinfo(5)). Of several mounts the deepest
// counts, and of mounts at one place the last.
func deviceIn(table, path string) (device uint64) {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	deepest := -1
	for line := range strings.Lines(table) {
		// 36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		words := strings.Fields(line)
		if len(words) < 5 {
			continue
		}
		at := unescape.Replace(words[4])
		if len(at) < deepest || at != "/" && path != at && !strings.HasPrefix(path, at+"/") {
			continue
		}
		major, minor, _ := strings.Cut(words[2], ":")
		high, errHigh := strconv.ParseUint(major, 10, 32)
		low, errLow := strconv.ParseUint(minor, 10, 32)
		if errHigh == nil && errLow == nil {
			deepest, device = len(at), unix.Mkdev(uint32(high), uint32(low))
		}
	}
	return device
}

// unescape decodes the bytes that the table writes in octal.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
