package webserver

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counters has the counters of one server. It may be in memory that the vassal's servers share;
// the successor of a dead server continues its counters. The zero value is free.
type counters struct {
	pid       atomic.Int64 // zero: free
	spawns    atomic.Int64
	born      atomic.Int64 // seconds since the epoch
	accepting atomic.Int64
	requests  atomic.Int64
	before    atomic.Int64 // the part of requests that dead predecessors have served
	active    atomic.Int64
	static    atomic.Int64
	routed    atomic.Int64
	failed    atomic.Int64
	late      atomic.Int64
	sent      atomic.Int64
	busy      atomic.Int64 // microseconds in requests
	_         [3]int64
}

// sharedStats has counters for each server of a vassal.
type sharedStats []counters

// sharedStatsOf returns the counters in shared memory. Without memory it has counters for one server.
func sharedStatsOf(memory []byte) sharedStats {
	if len(memory) == 0 {
		return make(sharedStats, 1)
	}
	return unsafe.Slice((*counters)(unsafe.Pointer(unsafe.SliceData(memory))), len(memory)/int(unsafe.Sizeof(counters{})))
}

// take claims counters that are free, or whose server is dead, and returns their number from 1.
// When none are free the server uses counters of its own.
func (b sharedStats) take() (t *counters, place int64) {
	own := int64(os.Getpid())
	for i := range b {
		t := &b[i]
		if was := t.pid.Load(); (was == 0 || was == own || !lives(was)) && t.pid.CompareAndSwap(was, own) {
			t.begin()
			return t, int64(i + 1)
		}
	}
	t = &counters{}
	t.pid.Store(own)
	t.begin()
	return t, int64(len(b) + 1)
}

func (t *counters) begin() {
	t.spawns.Add(1)
	t.born.Store(time.Now().Unix())
	t.before.Store(t.requests.Load())
	t.active.Store(0)
	t.accepting.Store(1)
}

// renew counts another start of the server that has them, which continues with other options.
func (t *counters) renew() {
	t.spawns.Add(1)
	t.born.Store(time.Now().Unix())
	t.before.Store(t.requests.Load())
}

// free releases the counters.
func (t *counters) free() { t.pid.Store(0) }

// lives reports whether a process exists.
func lives(pid int64) bool { return !errors.Is(unix.Kill(int(pid), 0), unix.ESRCH) }

func (t *counters) end(x *exchange, took time.Duration) {
	t.active.Add(-1)
	t.requests.Add(1)
	t.static.Add(int64(number(x.result.static)))
	t.routed.Add(int64(number(x.result.routed)))
	t.failed.Add(int64(number(x.result.failed)))
	t.sent.Add(x.result.size)
	t.busy.Add(took.Microseconds())
}

// worker returns the statistics of one server.
func (t *counters) worker(id int) workerStats {
	requests, running := t.requests.Load(), t.busy.Load()
	rss, vsz := memoryOf(t.pid.Load())
	w := workerStats{
		ID: id, PID: int(t.pid.Load()), Accepting: int(t.accepting.Load()), Requests: requests, Delta: requests - t.before.Load(),
		Harakiri: t.late.Load(), Status: "idle", RSS: rss, VSZ: vsz, Running: running, LastSpawn: t.born.Load(), Respawns: int(t.spawns.Load()),
		Sent: t.sent.Load(), Average: running / max(requests, 1),
		Apps: []struct{}{}, Cores: []coreStats{{
			Requests: requests, Static: t.static.Load(), Routed: t.routed.Load(), WriteErrs: t.failed.Load(), InRequest: t.active.Load(), Vars: []struct{}{},
		}},
	}
	if t.active.Load() > 0 {
		w.Status = "busy"
	}
	return w
}

// memoryOf returns the resident and the virtual size of a process, in bytes
// (proc_pid_statm(5)).
func memoryOf(pid int64) (rss, vsz int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	words := strings.Fields(string(text))
	if err != nil || len(words) < 2 {
		return 0, 0
	}
	vsz, _ = strconv.ParseInt(words[0], 10, 64)
	rss, _ = strconv.ParseInt(words[1], 10, 64)
	page := int64(os.Getpagesize())
	return rss * page, vsz * page
}
