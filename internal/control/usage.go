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
	at       time.Time
	usage    Usage
	accounts namespaces.Accounts
}

// Of measures the vassal whose first process is pid.
func (m *Meter) Of(pid int) Usage {
	if pid == 0 {
		return Usage{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	last, ok := m.last[pid]
	if ok && now.Sub(last.at) < fresh {
		return last.usage
	}
	accounts := namespaces.AccountsOf(pid, last.accounts)
	u := measure(pid, accounts)
	if m.last == nil {
		m.last = map[int]measured{}
	}
	m.last[pid] = measured{now, u, accounts}
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
func measure(pid int, a namespaces.Accounts) (u Usage) {
	if kills, ok := a.Memory.Kills(); ok {
		u.OOMKills = &kills
	}
	charged, isCharged := a.Memory.Usage()
	if a.Dir == "" {
		all := namespaces.TreeUsage(pid)
		u.CPU, u.Memory = all.CPU.Seconds(), all.RSS
	} else {
		used, _ := a.CPU()
		u.CPU = used.Seconds()
	}
	switch {
	case isCharged:
		u.Memory = charged
	case a.Dir != "":
		u.Memory = a.RSS()
	}
	return u
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
