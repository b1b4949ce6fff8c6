package namespaces

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// viewed is the state of the files of the kernel that a child finds after PrepareMounts.
type viewed struct {
	Open     []string // hidden files that show anything
	Writable []string // read-only files on a mount that is not
	Network  bool     // sysctls of the network are on a mount that is writable
	Roots    int      // mounts on the root directory
}

func kernelViews() (any, error) {
	made, err := ParseFlags(os.Getenv("MADE"))
	if err != nil {
		return nil, err
	}
	if err := PrepareMounts(made, ProcView{PIDs: os.Getenv("PIDS") != ""}); err != nil {
		return nil, err
	}
	var v viewed
	hidden := []string{}
	for _, name := range hiddenOfProc {
		hidden = append(hidden, "/proc/"+name)
	}
	if made.Has(NewNet) {
		hidden = append(hidden, "/sys/firmware")
	}
	for _, path := range hidden {
		v.Open = append(v.Open, shows(path)...)
	}
	for _, name := range readOnlyOfProc {
		if readOnly, err := onReadOnly("/proc/" + name); err == nil && !readOnly {
			v.Writable = append(v.Writable, name)
		}
	}
	readOnly, err := onReadOnly("/proc/sys/net")
	v.Network = err == nil && !readOnly
	for line := range strings.Lines(text2("/proc/self/mountinfo")) {
		if strings.Fields(line)[4] == "/" {
			v.Roots++
		}
	}
	return v, nil
}

// shows describes a hidden file that is not an empty one without permissions, on a mount that is read-only.
func shows(path string) (open []string) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	if info.Mode().Perm() != 0 {
		open = append(open, fmt.Sprintf("%s has mode %v", path, info.Mode()))
	}
	content, _ := os.ReadFile(path)
	entries, _ := os.ReadDir(path)
	if len(content) > 0 || len(entries) > 0 {
		open = append(open, fmt.Sprintf("%s has %d bytes and the files %v", path, len(content), entries))
	}
	if readOnly, err := onReadOnly(path); err != nil || !readOnly {
		open = append(open, fmt.Sprintf("%s is not read-only: %v", path, err))
	}
	return open
}

func onReadOnly(path string) (bool, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return false, err
	}
	return fs.Flags&unix.ST_RDONLY != 0, nil
}

// The files of the kernel that show the host are hidden in all combinations of namespaces, and no mount remains on the root directory.
func TestKernelViews(t *testing.T) {
	needRoot(t)
	for _, made := range []Flags{NewMount | NewPID, NewMount | NewPID | NewNet} {
		t.Run(made.String(), func(t *testing.T) {
			var v viewed
			act(t, newSpawner(t), "kernel views", Command{Namespaces: made, Env: []string{"MADE=" + made.String()}}).finish(&v)
			if len(v.Open) > 0 || len(v.Writable) > 0 {
				t.Errorf("%q show something, %q can be written", v.Open, v.Writable)
			}
			if want := made.Has(NewNet); v.Network != want {
				t.Errorf("sysctls of the network can be written: %v, want %v", v.Network, want)
			}
			before := strings.Split(text2("/proc/self/mountinfo"), "\n")
			roots := len(slices.DeleteFunc(before, func(line string) bool { f := strings.Fields(line); return len(f) < 5 || f[4] != "/" }))
			if v.Roots != roots {
				t.Errorf("%d mounts on the root directory, and %d before", v.Roots, roots)
			}
		})
	}
}

// A /proc of processes alone has none of the files that are restricted.
func TestKernelViewsOfProcesses(t *testing.T) {
	needRoot(t)
	var v viewed
	made := NewMount | NewPID | NewNet
	act(t, newSpawner(t), "kernel views", Command{Namespaces: made, Env: []string{"MADE=" + made.String(), "PIDS=1"}}).finish(&v)
	if len(v.Open) > 0 || len(v.Writable) > 0 || v.Network {
		t.Errorf("it has %+v", v)
	}
}
