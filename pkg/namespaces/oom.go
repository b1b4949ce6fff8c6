package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spared is the oom_score_adj of a process that the OOM killer kills late
// (proc_pid_oom_score_adj(5)): after every process that uses more than a tenth of the memory.
const spared = -900

// score is the oom_score_adj of this process, which a process of another user cannot open.
type score struct {
	file          *os.File
	own, ordinary string // of this process, and of its children

	mu    sync.Mutex
	forks int // that go on now, with the ordinary value
}

// sparing is the score after Spare. Nil: children inherit the parent's.
var sparing atomic.Pointer[score]

// Spare makes the OOM killer kill this process late, if the kernel permits, and reports
// whether it does so now. Processes that Spawner.Start and Start start afterwards get the earlier
// oom_score_adj of this process. Spare is called once, before the first of them, and before this
// process drops its privileges: it has an effect afterwards, too.
//
// The earlier value is also the minimum that children may write themselves, while this process
// has CAP_SYS_RESOURCE (fs/proc/base.c, __set_oom_adj). Children of a process that has dropped it
// may lower theirs to the value of this process.
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
	file, err := os.OpenFile(scoreOf("self"), os.O_WRONLY, 0)
	s := &score{file: file, own: strconv.Itoa(spared), ordinary: text}
	if err == nil {
		err = s.become(s.own)
	}
	if err == nil {
		sparing.Store(s)
		return true, nil
	}
	file.Close()
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return false, nil
	}
	return false, fmt.Errorf("cannot lower oom_score_adj: %w", err)
}

func scoreOf(pid string) string { return filepath.Join("/proc", pid, "oom_score_adj") }

// become sets the value of this process. No privilege is needed for a value above the one that
// was last set with CAP_SYS_RESOURCE, nor for the way back.
func (s *score) become(value string) error {
	_, err := s.file.WriteAt([]byte(value), 0)
	return err
}

// unspared calls fork while this process has the ordinary value, which the child inherits
// together with everything that it forks at once. It fails, without a child, when the value
// cannot be set: a tenant's process must not outlive this one.
func unspared(fork func() error) error {
	s := sparing.Load()
	if s == nil {
		return fork()
	}
	s.mu.Lock()
	if s.forks == 0 {
		if err := s.become(s.ordinary); err != nil {
			s.mu.Unlock()
			return fmt.Errorf("cannot raise oom_score_adj for a child: %w", err)
		}
	}
	s.forks++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.forks--; s.forks == 0 {
			_ = s.become(s.own) // the next fork tries again
		}
	}()
	return fork()
}

// canExpose reports whether this process can set the value of a child of another user, and its
// minimum.
func canExpose() bool {
	if sparing.Load() == nil {
		return false
	}
	sets, err := ownSets()
	return err == nil && sets[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// expose gives a child that waits for its order the ordinary value: this process remains spared
// while it forks. The child must not be reaped during the call. A dead child is no error.
func expose(pid int) error {
	err := os.WriteFile(scoreOf(strconv.Itoa(pid)), []byte(sparing.Load().ordinary), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot set oom_score_adj of process %d: %w", pid, err)
	}
	return nil
}
