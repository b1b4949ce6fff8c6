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
		m := &Meter{}
		counted := func() (at time.Time) {
			var is measured
			is.memory = m.last[cmd.Process.Pid].memory
			m.walk(cmd.Process.Pid, &is)
			m.last = map[int]measured{cmd.Process.Pid: is}
			return is.memory.at
		}
		m.second, m.walked = time.Now(), walking
		if at := counted(); !at.IsZero() || m.last[cmd.Process.Pid].memory.by != MemoryResident || m.last[cmd.Process.Pid].memory.bytes == 0 {
			t.Errorf("without time for a count there is %+v", m.last[cmd.Process.Pid].memory)
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
