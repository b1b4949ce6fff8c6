package control

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// fresh is how long a measurement is reused.
const fresh = time.Second

// Meter measures the resource usage of vassals, and reuses recent results. The zero value is
// ready.
type Meter struct {
	mu   sync.Mutex
	last map[int]measured
}

type measured struct {
	at    time.Time
	usage Usage
}

// Of measures the vassal whose first process is pid.
func (m *Meter) Of(pid int) Usage {
	if pid == 0 {
		return Usage{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if last, ok := m.last[pid]; ok && now.Sub(last.at) < fresh {
		return last.usage
	}
	u := m.measure(pid)
	if m.last == nil {
		m.last = map[int]measured{}
	}
	m.last[pid] = measured{now, u}
	if len(m.last) > 64 {
		for p, old := range m.last {
			if now.Sub(old.at) > time.Minute {
				delete(m.last, p)
			}
		}
	}
	return u
}

// measure reads the vassal's cgroups when they have accounting, and otherwise adds up its
// process and all descendants.
func (m *Meter) measure(pid int) (u Usage) {
	counted := namespaces.MemoryCgroupOf(pid)
	if kills, ok := counted.Kills(); ok {
		u.OOMKills = &kills
	}
	charged, isCharged := counted.Usage()
	dir := namespaces.CgroupDirOf(pid)
	if dir == "" {
		all := namespaces.TreeUsage(pid)
		u.CPU, u.Memory = all.CPU.Seconds(), all.RSS
	} else {
		u.CPU = cpuStat(filepath.Join(dir, "cpu.stat"))
	}
	switch {
	case isCharged:
		u.Memory = charged
	case dir != "":
		for _, word := range words(filepath.Join(dir, "cgroup.procs")) {
			if p, err := strconv.Atoi(word); err == nil {
				u.Memory += namespaces.UsageOf(p).RSS
			}
		}
	}
	return u
}

func cpuStat(file string) float64 {
	f := words(file)
	for i := 0; i+1 < len(f); i += 2 {
		if f[i] == "usage_usec" {
			n, _ := strconv.ParseFloat(f[i+1], 64)
			return n / 1e6
		}
	}
	return 0
}

func words(file string) []string {
	text, _ := os.ReadFile(file)
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
	defer func() { _ = theirs.Close() }()
	ours, err := netns.Get()
	if err != nil {
		return nil
	}
	defer func() { _ = ours.Close() }()
	if ours.Equal(theirs) {
		return nil
	}
	links, _ := namespaces.LinksOf(theirs) // without the right to read them there are none
	return links
}
