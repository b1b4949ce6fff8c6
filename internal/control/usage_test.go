package control

import (
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Processes that share their pages count them once, and the count is not repeated within ten seconds.
func TestMemoryIsShared(t *testing.T) {
	self := os.Getpid()
	both := memoryOf([]int{self, self})
	one := memoryOf([]int{self})
	if one.by != MemoryShared || one.bytes == 0 || one.bytes > namespaces.UsageOf(self).RSS {
		t.Errorf("this process has %d bytes, %s, and %d resident", one.bytes, one.by, namespaces.UsageOf(self).RSS)
	}
	if both.bytes < one.bytes {
		t.Errorf("two have %d, one has %d", both.bytes, one.bytes)
	}
	if gone := memoryOf([]int{1 << 30}); gone.bytes != 0 || gone.by != MemoryShared {
		t.Errorf("who is gone has %+v", gone)
	}
}

func TestMemoryIsCountedRarely(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for namespaces.UsageOf(cmd.Process.Pid).RSS == 0 { // its program has no page yet
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m, is := &Meter{}, measured{}
		counted := func() (at time.Time) {
			m.walk(cmd.Process.Pid, &is)
			return is.memory.at
		}
		m.second, m.walked = time.Now(), walking
		if at := counted(); !at.IsZero() || is.memory.by != MemoryResident || is.memory.bytes == 0 {
			t.Errorf("without time for a count there is %+v", is.memory)
		}
		time.Sleep(time.Second)
		first := counted()
		time.Sleep(settled - time.Second)
		if at := counted(); !at.Equal(first) {
			t.Errorf("it is counted again after %v", at.Sub(first))
		}
		time.Sleep(2 * time.Second)
		m.second, m.walked = time.Now(), walking
		if at := counted(); !at.Equal(first) {
			t.Error("it is counted although the time for that is over")
		}
		time.Sleep(time.Second)
		if at := counted(); at.Equal(first) {
			t.Error("it is not counted again")
		}
	})
}

// A list of many vassals takes no longer than the time for it: the ones that were measured the longest time ago
// are first, and the others have their last results.
func TestEachTakesTurns(t *testing.T) {
	self := os.Getpid()
	pids := []int{self, 0, os.Getppid()}
	synctest.Test(t, func(t *testing.T) {
		m := &Meter{}
		m.second, m.walked = time.Now(), walking
		list := m.Each(pids)
		if u := list[0]; u.MemoryBy != MemoryResident || u.Memory == 0 || u.User == nil || int(*u.User) != os.Geteuid() || !m.last[self].at.IsZero() {
			t.Errorf("without time the first process has %+v", u)
		}
		if none := list[1]; none.User != nil || none.Memory != 0 {
			t.Errorf("no process has %+v", none)
		}
		time.Sleep(2 * fresh)
		m.Each(pids[:2])
		time.Sleep(2 * fresh)
		if m.Each(pids); m.last[self].at.IsZero() || m.last[pids[2]].at.Before(m.last[self].at) {
			t.Errorf("measured at %v and %v", m.last[self].at, m.last[pids[2]].at)
		}
		first := m.last[self].at
		time.Sleep(2 * fresh)
		m.second, m.walked = time.Now(), walking
		if m.Each(pids); !m.last[self].at.Equal(first) {
			t.Error("it is measured although the time for that is over")
		}
		time.Sleep(2 * unasked)
		if m.Each(pids[2:]); m.last[self] != nil {
			t.Error("the result of an unasked one is kept")
		}
	})
}
