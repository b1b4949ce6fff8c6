package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spared is the oom_score_adj of a process that the OOM killer kills late
// (proc_pid_oom_score_adj(5)): after every process that uses more than a tenth of the memory.
const spared = -900

// ordinary is the oom_score_adj for children of this process. Nil: they inherit the parent's.
var ordinary atomic.Pointer[string]

// Spare makes the OOM killer kill this process late, if the kernel permits, and reports
// whether it does so now. Processes that Spawner.Start and Start start afterwards get the earlier
// oom_score_adj of this process, also as their minimum. Spare is called once, before the first
// of them.
func Spare() (bool, error) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return false, nil //nolint:nilerr // a pid would mean another process there
	}
	was, err := os.ReadFile(scoreOf("self"))
	if err != nil {
		return false, fmt.Errorf("cannot read oom_score_adj: %w", err)
	}
	text := strings.TrimSpace(string(was))
	if n, err := strconv.Atoi(text); err != nil || n <= spared {
		return err == nil, err
	}
	err = os.WriteFile(scoreOf("self"), []byte(strconv.Itoa(spared)), 0)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot lower oom_score_adj: %w", err)
	}
	ordinary.Store(&text)
	return true, nil
}

func scoreOf(pid string) string { return filepath.Join("/proc", pid, "oom_score_adj") }

// expose gives a child its ordinary oom_score_adj. A value written with CAP_SYS_RESOURCE is
// also the minimum that the child itself may write (fs/proc/base.c, __set_oom_adj). The child
// must not be reaped during the call. A dead child is no error.
func expose(pid int) error {
	score := ordinary.Load()
	if score == nil {
		return nil
	}
	err := os.WriteFile(scoreOf(strconv.Itoa(pid)), []byte(*score), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot set oom_score_adj of process %d: %w", pid, err)
	}
	return nil
}

// exposeTree does the same for a child that already runs and may have children.
func exposeTree(pid int) error {
	if ordinary.Load() == nil {
		return nil
	}
	if err := expose(pid); err != nil {
		return err
	}
	for _, child := range Children(pid) { // later children inherit the value
		if isSpared(child) {
			if err := exposeTree(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func isSpared(pid int) bool {
	score, err := os.ReadFile(scoreOf(strconv.Itoa(pid)))
	return err == nil && strings.TrimSpace(string(score)) == strconv.Itoa(spared)
}
