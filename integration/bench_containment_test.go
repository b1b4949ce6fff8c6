//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// confinement is a way to start the same vassal.
type confinement struct {
	name    string
	args    []string // of its emperor
	options []string // of the vassal
	tenant  bool

	emperor *emperor
	dir     string
	times   []time.Duration
}

// relaxed are lines that switch the defaults of tenants off which have costs of their own.
var relaxed = []string{
	"--vassal-set", "system-call-filter=off", "--vassal-set", "private-tmp=false", "--vassal-set", "private-devices=false",
	"--vassal-set", "protect-home=false", "--vassal-set", "protect-proc=default", "--vassal-set", "protect-system=false",
}

// BenchmarkContainment measures the time from the rename of a file into the directory until the vassal runs, with one vassal at a
// time and in turns: with nothing, and with each part of its containment. Ratios and differences are of medians.
func BenchmarkContainment(b *testing.B) {
	w := newWorld(b)
	user := []string{"uid = 4001", "gid = 4001", serves}
	with := func(lines ...string) []string { return append(lines, user...) }
	tyrant := []string{allNamespaces, "--emperor-tyrant", "--emperor-limits", "best-effort"}
	ranged := []string{allNamespaces + ",user", "--emperor-id-range", "1000000:65536", "--state-dir", w.path("state")}
	kinds := []*confinement{
		{name: "nothing", args: []string{allNamespaces}, options: user},
		{name: "hardening", args: []string{allNamespaces}, options: with("no-new-privileges = true", "cap = none", "limit-nofile = 1024:4096", "limit-core = 0", "limit-memlock = 64k")},
		{name: "limits", args: []string{allNamespaces, "--emperor-limits", "best-effort"}, options: with("tasks-max = 512", "memory-max = 64m", "cgroup-opt = cgroup.max.descendants=9")},
		{name: "tyrant", args: append(tyrant, relaxed...), options: []string{serves}, tenant: true},
		{name: "id-range", args: ranged, options: user},
		{name: "filter", args: []string{allNamespaces}, options: with("system-call-filter = default")},
		{name: "tenant", args: append(tyrant, "--vassal-set", w.visible()), options: []string{serves}, tenant: true},
	}
	for _, k := range kinds {
		k.dir = w.path(k.name)
		if err := os.Mkdir(k.dir, 0o755); err != nil {
			b.Fatal(err)
		}
		k.emperor = w.startOver(append([]string{"--runtime-dir", "/run/" + k.name, "--emperor-change-pause", "0"}, append(k.args, k.dir)...)...)
		k.emperor.await("", "is watching")
		uid := 0
		if k.tenant {
			uid = 4001
		}
		w.owned(w.path("waiting-"+k.name), uid, ini(k.options...))
	}
	for b.Loop() {
		for i := range 60 {
			for _, k := range kinds {
				took := k.drop(b, w.path("waiting-"+k.name))
				if i >= 5 { // the first ones warm up
					k.times = append(k.times, took)
				}
			}
		}
	}
	base := median(kinds[0].times)
	for _, k := range kinds {
		m := median(k.times)
		b.ReportMetric(milliseconds(m), k.name+"-ms")
		if k != kinds[0] {
			b.ReportMetric(float64(m)/float64(base), k.name+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// drop starts a vassal from a copy of a file and returns the time until it runs; afterwards it is gone.
func (k *confinement) drop(b *testing.B, file string) time.Duration {
	b.Helper()
	next, at := filepath.Join(k.dir, ".next"), filepath.Join(k.dir, "a.ini")
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	k.emperor.world.owned(next, map[bool]int{true: 4001}[k.tenant], string(text))
	begin := time.Now()
	if err := os.Rename(next, at); err != nil {
		b.Fatal(err)
	}
	took := k.emperor.await("a.ini", "-> running").Time.Sub(begin)
	if err := os.Remove(at); err != nil {
		b.Fatal(fmt.Errorf("%s: %w", k.name, err))
	}
	k.emperor.gone("a.ini")
	return took
}
