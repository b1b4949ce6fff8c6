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

// spared is the oom_score_adj of a process that the kernel ends late when memory is
// short (proc_pid_oom_score_adj(5)): after everything that is bigger than a tenth of
// the memory.
const spared = -900

// ordinary is the oom_score_adj that children of this process are to have. Nil: what
// they inherit.
var ordinary atomic.Pointer[string]

// Spare makes the kernel end this process late when memory is short, where it may,
// and reports whether it did. What Spawner.Start and Start start afterwards gets the
// oom_score_adj that this process had before, as its lowest, too. It is called once,
// before the first of them.
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
		return false, err
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

// expose gives a child its ordinary oom_score_adj. What is written with
// CAP_SYS_RESOURCE is at the same time the least that the child itself may write
// (fs/proc/base.c, __set_oom_adj). The child must not be reaped meanwhile. A child that
// is dead is no error.
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

// exposeTree is expose for a child that runs already, and may have children.
func exposeTree(pid int) error {
	if ordinary.Load() == nil {
		return nil
	}
	if err := expose(pid); err != nil {
		return err
	}
	for _, child := range Children(pid) { // those that come later inherit
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
