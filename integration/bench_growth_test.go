//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// growthSizes are the measured numbers of vassals.
var growthSizes = []int{100, 1000, 3000, 8000}

// plotEnv names the file for the plot of BenchmarkGrowth.
const plotEnv = "EMPEROR_PLOT"

// growth is the cost of an emperor with one number of vassals.
type growth struct {
	vassals        int
	ready, stopped time.Duration // of all
	used           time.Duration // processor time of the emperor until all are ready
	memory         int64         // of the emperor, in bytes, in addition to one without vassals
	noticed        time.Duration // from a touch of a file until the vassal ends for it
	listed         time.Duration // `emperor list`
	idle           time.Duration // processor time in ten idle seconds
}

// BenchmarkGrowth measures how the costs of an emperor grow with the number of its vassals. Each
// vassal is one small process in five namespaces, with a user of its own. With EMPEROR_PLOT the
// figures are drawn into that file.
func BenchmarkGrowth(b *testing.B) {
	w := newWorld(b)
	w.run("mkdir " + w.path("none"))
	none := w.grow(b, w.path("none"), 0)
	var all []growth
	for _, vassals := range growthSizes {
		b.Run(fmt.Sprintf("vassals=%d", vassals), func(b *testing.B) {
			if most := pidMax(b); most < 2*vassals {
				b.Skipf("kernel.pid_max is %d, too low for %d vassals", most, vassals)
			}
			allowDescriptors(b, 500+4*vassals)
			dir := w.path(strconv.Itoa(vassals))
			w.run("mkdir " + dir)
			for i := range vassals {
				w.write(filepath.Join(dir, fmt.Sprintf("v%d.ini", i)), ini("unprivileged-binary-patch-arg = sleep 1000000", "uid = 4001", "gid = 4001"))
			}
			for b.Loop() {
				g := w.grow(b, dir, vassals)
				g.memory -= none.memory
				all = append(all, g)
				each := float64(vassals)
				b.ReportMetric(milliseconds(g.ready)/each, "ms-ready/vassal")
				b.ReportMetric(milliseconds(g.used)/each, "ms-cpu/vassal")
				b.ReportMetric(milliseconds(g.stopped)/each, "ms-stop/vassal")
				b.ReportMetric(float64(g.memory)/each/1000, "kB/vassal")
				b.ReportMetric(milliseconds(g.noticed), "ms-to-noticed")
				b.ReportMetric(milliseconds(g.listed), "ms-list")
				b.ReportMetric(milliseconds(g.idle), "ms-cpu-in-10-idle-s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	if path := os.Getenv(plotEnv); path != "" {
		if err := os.WriteFile(path, []byte(drawGrowth(all)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// grow runs an emperor over a directory with the given number of vassals.
func (w *world) grow(b *testing.B, dir string, vassals int) (g growth) {
	b.Helper()
	c := contender{
		"ours", func(w *world, options ...string) *exec.Cmd {
			return w.inside(program("emperor"), append(options, "--runtime-dir", w.path("run"), "--emperor-change-pause", "0", allNamespaces, dir)...)
		}, "-> running", "-> running", syscall.SIGTERM,
	}
	begin := time.Now()
	r := c.run(w)
	if g.vassals = vassals; vassals == 0 {
		r.await("is watching", 1)
	}
	for left := vassals; left > 0; left -= min(left, 100) { // each hundred has the patience of one line
		r.await(c.ready, min(left, 100))
	}
	g.ready, g.used = time.Since(begin), processorTime(b, r.cmd.Process.Pid)
	time.Sleep(12 * time.Second) // until earlier failures are forgiven, and the emperor is idle
	used := processorTime(b, r.cmd.Process.Pid)
	time.Sleep(10 * time.Second)
	g.idle = processorTime(b, r.cmd.Process.Pid) - used
	g.memory = proportional(r.cmd.Process.Pid)
	var noticed, listed []time.Duration
	for i := range min(5, vassals) {
		file := filepath.Join(dir, fmt.Sprintf("v%d.ini", i))
		touched := time.Now()
		if err := os.Chtimes(file, touched, touched); err != nil {
			b.Fatal(err)
		}
		r.await("running -> ", 1)
		noticed = append(noticed, time.Since(touched))
		r.await("-> running", 1)
		asked := time.Now()
		out := w.run(program("emperor") + " list --runtime-dir " + w.path("run") + " | wc -l")
		listed = append(listed, time.Since(asked))
		if n, _ := strconv.Atoi(out); n < vassals {
			b.Fatalf("the list has %s lines", out)
		}
	}
	if vassals > 0 {
		g.noticed, g.listed = median(noticed), median(listed)
	}
	g.stopped = r.end()
	return g
}

// allowDescriptors raises the limit of this process, which its children inherit.
func allowDescriptors(b *testing.B, n int) {
	b.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	if uint64(n) <= limit.Cur {
		return
	}
	limit.Cur, limit.Max = uint64(n), max(limit.Max, uint64(n))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, (*syscall.Rlimit)(&limit)); err != nil {
		b.Skipf("%d descriptors are too many: %v", n, err)
	}
}

// pidMax returns the number of processes that the kernel permits.
func pidMax(b *testing.B) int {
	b.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		b.Fatal(err)
	}
	return n
}
