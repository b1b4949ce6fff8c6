package control

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// fresh is how long a measurement is reused.
	fresh = time.Second
	// settled is how long the proportional memory of processes is reused, because the kernel takes longer to
	// count it.
	settled = 10 * time.Second
	// walking is the time in each second for counting it, and for measuring the vassals of a list. A vassal that
	// is not counted in that time keeps its last count, or has its resident memory until then.
	walking = 25 * time.Millisecond
	// unasked is how long a result is kept that no client asks for.
	unasked = time.Minute
)

// Meter measures the resource usage of vassals, and reuses recent results. The zero value is
// ready.
type Meter struct {
	mu     sync.Mutex
	last   map[int]*measured
	second time.Time     // the beginning of the current second
	walked time.Duration // in it
	tidied time.Time     // when results were dropped
}

// Measurement is the usage of a vassal's processes, and the user of the first one.
type Measurement struct {
	Usage
	User *uint32 // nil: not known
}

type measured struct {
	at       time.Time // zero: only the first process was looked at
	asked    time.Time
	is       Measurement
	accounts namespaces.Accounts
	memory   proportional
}

// proportional is the memory of processes by their page tables.
type proportional struct {
	at    time.Time // zero: never counted
	bytes uint64
	by    MemorySource
}

// Of measures the vassal whose first process is pid.
func (m *Meter) Of(pid int) Measurement {
	if pid == 0 {
		return Measurement{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	return m.of(pid, now, func(last *measured) bool { return now.Sub(last.at) >= fresh })
}

// Each measures many vassals, by the pids of their first processes. It takes a limited time in each second, in
// which it measures the vassals first that were measured the longest time ago. The others keep their last
// results; a vassal without any has the usage of its first process until then.
func (m *Meter) Each(pids []int) []Measurement {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, oldest := time.Now(), make([]int, 0, len(pids))
	for i, pid := range pids {
		if pid != 0 {
			oldest = append(oldest, i)
		}
	}
	at := func(i int) (t time.Time) {
		if last := m.last[pids[i]]; last != nil {
			t = last.at
		}
		return t
	}
	slices.SortStableFunc(oldest, func(a, b int) int { return at(a).Compare(at(b)) })
	list := make([]Measurement, len(pids))
	for _, i := range oldest {
		list[i] = m.of(pids[i], now, func(last *measured) bool { return now.Sub(last.at) >= fresh && !m.late(time.Now()) })
	}
	return list
}

// of returns the last measurement of a vassal, or a new one when that is due.
func (m *Meter) of(pid int, now time.Time, due func(*measured) bool) Measurement {
	if now.Sub(m.tidied) >= unasked {
		maps.DeleteFunc(m.last, func(_ int, old *measured) bool { return now.Sub(old.asked) >= unasked })
		m.tidied = now
	}
	last := m.last[pid]
	if last == nil {
		if last = (&measured{}); m.last == nil {
			m.last = map[int]*measured{}
		}
		m.last[pid] = last
	}
	first := last.asked.IsZero()
	last.asked = now
	switch {
	case due(last):
		last.at, last.is = now, Measurement{}
		before, begin := m.walked, time.Now()
		last.accounts = namespaces.AccountsOf(pid, last.accounts)
		m.measure(pid, last)
		last.is.User = userOf(pid)
		m.walked = max(m.walked, before+time.Since(begin))
	case first:
		u := namespaces.UsageOf(pid)
		last.is = Measurement{Usage{CPU: u.CPU.Seconds(), Memory: u.RSS, MemoryBy: MemoryResident}, userOf(pid)}
	}
	return last.is
}

func userOf(pid int) *uint32 {
	if uid, ok := namespaces.UserOf(pid); ok {
		return &uid
	}
	return nil
}

// late reports whether the time for measurements in the current second is over.
func (m *Meter) late(now time.Time) bool {
	if now.Sub(m.second) >= time.Second {
		m.second, m.walked = now, 0
	}
	return m.walked >= walking
}

// measure reads the vassal's cgroups when they have accounting, and otherwise adds up its
// process and all descendants.
func (m *Meter) measure(pid int, is *measured) {
	a, u := is.accounts, &is.is.Usage
	if kills, ok := a.Memory.Kills(); ok {
		u.OOMKills = &kills
	}
	if a.Dir == "" {
		u.CPU = namespaces.TreeUsage(pid).CPU.Seconds()
	} else {
		own := vassalsOwn(a.Dir)
		stat := pairs(filepath.Join(own, "cpu.stat"))
		u.limits(own, stat)
		if u.CPU = float64(stat["usage_usec"]) / 1e6; own != a.Dir {
			used, _ := a.CPU()
			u.CPU = used.Seconds()
		}
	}
	if charged, ok := a.Memory.Usage(); ok {
		u.Memory, u.MemoryBy = charged, MemoryCharged
		return
	}
	m.walk(pid, is)
	u.Memory, u.MemoryBy = is.memory.bytes, is.memory.by
}

// walk counts the memory of a vassal's processes again when its last count is old and there is time.
func (m *Meter) walk(pid int, is *measured) {
	begin := time.Now()
	late := m.late(begin)
	if !is.memory.at.IsZero() && (late || begin.Sub(is.memory.at) < settled) {
		return
	}
	pids := namespaces.Tree(pid)
	if is.accounts.Dir != "" {
		pids = is.accounts.Processes()
	}
	if late {
		is.memory = proportional{bytes: residentOf(pids), by: MemoryResident}
		return
	}
	is.memory = memoryOf(pids)
	m.walked += time.Since(begin)
}

// memoryOf adds up the memory of processes: their shares, or all resident pages of processes that the
// emperor may not trace.
func memoryOf(pids []int) proportional {
	sum := proportional{at: time.Now(), by: MemoryShared}
	for _, pid := range pids {
		share, ok := namespaces.PSS(pid)
		if !ok {
			if share = residentOf([]int{pid}); share > 0 {
				sum.by = MemoryResident
			}
		}
		sum.bytes += share
	}
	return sum
}

func residentOf(pids []int) (sum uint64) {
	for _, pid := range pids {
		sum += namespaces.UsageOf(pid).RSS
	}
	return sum
}

// vassalsOwn returns the cgroup with the limits of a vassal, whose first process is in it or,
// with the option cgroup, below it.
func vassalsOwn(dir string) string {
	for own := dir; len(own) > 1; own = filepath.Dir(own) {
		if strings.HasPrefix(filepath.Base(own), "vassal_") {
			return own
		}
	}
	return dir
}

// limits reads the limits of a cgroup, the use against them, and how often they were met. Only the files of its controllers are
// read, because the kernel takes as long to find none. stat is its cpu.stat.
func (u *Usage) limits(dir string, stat map[string]uint64) {
	file := func(name string) string { return filepath.Join(dir, name) }
	hits := map[string]uint64{"cpu-quota": stat["nr_throttled"]}
	u.Throttled = float64(stat["throttled_usec"]) / 1e6
	for _, controller := range words(file("cgroup.controllers")) {
		switch controller {
		case "pids":
			u.Tasks, u.TasksMax = count(file("pids.current")), count(file("pids.max"))
			hits["tasks-max"] = pairs(file("pids.events"))["max"]
		case "memory":
			events := pairs(file("memory.events"))
			u.MemoryMax = count(file("memory.max"))
			hits["memory-max"], hits["memory-high"] = events["max"], events["high"]
		}
	}
	maps.DeleteFunc(hits, func(_ string, n uint64) bool { return n == 0 })
	if len(hits) > 0 {
		u.LimitHits = hits
	}
}

// count reads a file with one number. Without a number, as max, it is zero.
func count(file string) uint64 {
	text, _ := namespaces.ReadKernelFile(file)
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// pairs reads a file with a word and a number in each line.
func pairs(file string) map[string]uint64 {
	f, list := words(file), map[string]uint64{}
	for i := 0; i+1 < len(f); i += 2 {
		list[f[i]], _ = strconv.ParseUint(f[i+1], 10, 64)
	}
	return list
}

func words(file string) []string {
	text, _ := namespaces.ReadKernelFile(file)
	return strings.Fields(string(text))
}

// namespacesOf lists the namespaces of a process.
func namespacesOf(pid int) map[string]string {
	dir := "/proc/" + strconv.Itoa(pid) + "/ns"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	list := map[string]string{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "_for_children") {
			continue
		}
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			list[e.Name()] = link
		}
	}
	return list
}

// linksOf lists the interfaces of a process's network, if that is its own.
func linksOf(pid int) []namespaces.Link {
	theirs, err := netns.GetFromPid(pid)
	if err != nil {
		return nil
	}
	defer theirs.Close()
	ours, err := namespaces.CurrentNetwork()
	if err != nil {
		return nil
	}
	defer ours.Close()
	if ours.Equal(theirs) {
		return nil
	}
	links, _ := namespaces.LinksOf(theirs) // without the right to read them there are none
	return links
}
