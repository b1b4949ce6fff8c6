package emperord

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// orphanPause is the interval of searching for dead orphans.
const orphanPause = 5 * time.Second

// reapOrphans reaps the processes that this one adopts, by its options or as process 1, until
// ctx ends. It leaves its own children alone, each of which has a pidfd.
func reapOrphans(ctx context.Context, o *config.Emperor) {
	if !o.Subreaper && os.Getpid() != 1 {
		return
	}
	ticker := time.NewTicker(orphanPause)
	defer ticker.Stop()
	var before []int // that were dead already: the pidfd of a new child may still be on its way
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var dead []int
		if namespaces.AnyDead() { // a look at each of many children takes long
			dead = slices.DeleteFunc(namespaces.Children(os.Getpid()), func(pid int) bool { return !namespaces.IsZombie(pid) })
		}
		seen := before
		if before = dead; len(dead) == 0 {
			continue
		}
		held := heldProcesses()
		for _, pid := range dead {
			if !held[pid] && slices.Contains(seen, pid) {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
	}
}

// heldProcesses lists the processes of this process's pidfds.
func heldProcesses() map[int]bool {
	held := map[int]bool{}
	fds, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		return held
	}
	for _, fd := range fds {
		info, err := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(info)) {
			if text, ok := strings.CutPrefix(line, "Pid:"); ok {
				if pid, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
					held[pid] = true
				}
			}
		}
	}
	return held
}
