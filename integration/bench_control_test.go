//go:build linux

package integration

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkTouch measures the time from a touch of a vassal's file until the vassal gets the
// order to reload, and until it has reloaded: of a command below a master, and of the built-in server alone,
// which reloads in place.
func BenchmarkTouch(b *testing.B) {
	for _, kind := range []struct {
		name    string
		options []string
	}{
		{"command", []string{serves}},
		{"server", []string{"uid = 4001", "gid = 4001", "http-socket = :8080", "static-map = /=/srv"}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			w := newWorld(b)
			w.vassal("a.ini", kind.options...)
			e := w.start(allNamespaces, "--emperor-change-pause", "0")
			e.running("a.ini")
			var noticed, reloads []time.Duration
			for b.Loop() {
				for range 25 {
					begin := time.Now()
					if err := os.Chtimes(filepath.Join(w.vassals, "a.ini"), begin, begin); err != nil {
						b.Fatal(err)
					}
					ordered := e.await("a.ini", "running -> reloading").Time
					noticed = append(noticed, ordered.Sub(begin))
					reloads = append(reloads, e.await("a.ini", "reloading -> running").Time.Sub(ordered))
				}
			}
			b.ReportMetric(milliseconds(median(noticed)), "ms-to-noticed")
			b.ReportMetric(milliseconds(median(reloads)), "ms-of-a-reload")
			b.ReportMetric(milliseconds(slices.Max(reloads)), "ms-of-a-reload-at-worst")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkTen measures the time until ten files that are added at run time have become ready
// vassals.
func BenchmarkTen(b *testing.B) {
	w := newWorld(b)
	e := w.start(allNamespaces, "--emperor-change-pause", "0")
	e.await("", "is watching")
	var took []time.Duration
	for b.Loop() {
		for range 5 {
			begin := time.Now()
			for i := range 10 {
				w.vassal(fmt.Sprintf("v%d.ini", i), serves)
			}
			var last time.Time
			for i := range 10 {
				if at := e.await(fmt.Sprintf("v%d.ini", i), "-> running").Time; at.After(last) {
					last = at
				}
			}
			took = append(took, last.Sub(begin))
			for i := range 10 {
				e.remove(fmt.Sprintf("v%d.ini", i))
				e.gone(fmt.Sprintf("v%d.ini", i))
			}
		}
	}
	b.ReportMetric(milliseconds(median(took)), "ms-until-ten-run")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkThousand measures how long 1000 vassals take to become ready, their cost for the
// emperor while idle, and how long they take to stop; for uWSGI as well.
func BenchmarkThousand(b *testing.B) {
	const vassals = 1000
	w := newWorld(b)
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = :8080", "static-map = /=/srv", "uid = 4001", "gid = 4001")
	}
	nobody := w.path("nobody")
	if err := os.Mkdir(nobody, 0o755); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		alone := w.govern(w.inside(program("emperor"), allNamespaces, nobody), "is watching", 1, syscall.SIGTERM)
		ours := w.govern(w.inside(program("emperor"), allNamespaces, w.vassals), "-> running", vassals, syscall.SIGTERM)
		b.ReportMetric(ours.ready.Seconds(), "ours-s-until-ready")
		b.ReportMetric(ours.stopped.Seconds(), "ours-s-until-stopped")
		b.ReportMetric(float64(ours.memory-alone.memory)/vassals/1000, "kB/vassal")
		b.ReportMetric(milliseconds(ours.cpu), "ms-cpu-in-10-idle-s")
		path, err := exec.LookPath("uwsgi")
		if err != nil {
			b.Log("there is no uwsgi to compare with")
			continue
		}
		theirs := w.govern(w.inside(path, "--emperor", w.vassals, allNamespaces), "is ready to accept requests", vassals, syscall.SIGINT)
		b.ReportMetric(theirs.ready.Seconds(), "uwsgi-s-until-ready")
		b.ReportMetric(theirs.stopped.Seconds(), "uwsgi-s-until-stopped")
	}
	b.ReportMetric(0, "ns/op")
}

// crowdCosts is the cost of many vassals for their emperor.
type crowdCosts struct {
	ready, stopped time.Duration
	memory         int64         // of the emperor, in bytes
	cpu            time.Duration // in ten idle seconds
}

// govern runs an emperor until the given number of vassals is ready, measures it while idle,
// and stops it.
func (w *world) govern(cmd *exec.Cmd, ready string, vassals int, stop syscall.Signal) (c crowdCosts) {
	w.t.Helper()
	begin := time.Now()
	log := w.begin(cmd)
	defer log.Close()
	all := make(chan time.Time, 1)
	go func() {
		left := vassals
		for in := bufio.NewScanner(log); in.Scan(); {
			if strings.Contains(in.Text(), ready) {
				if left--; left == 0 {
					all <- time.Now()
				}
			}
		}
	}()
	select {
	case at := <-all:
		c.ready = at.Sub(begin)
	case <-time.After(3 * patience):
		w.t.Errorf("%s did not say %q of all", cmd.Path, ready)
	}
	time.Sleep(12 * time.Second) // until earlier failures are forgiven, and the emperor is idle
	c.memory = proportional(cmd.Process.Pid)
	used := processorTime(w.t, cmd.Process.Pid)
	time.Sleep(10 * time.Second)
	c.cpu = processorTime(w.t, cmd.Process.Pid) - used
	begin = time.Now()
	_ = cmd.Process.Signal(stop)
	_ = cmd.Wait()
	eventually(w.t, "all of it is gone", func() bool { return len(w.processes()) == 0 })
	c.stopped = time.Since(begin)
	return c
}

// proportional returns the proportional set size of a process, in bytes.
func proportional(pid int) int64 {
	for _, l := range lines(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) {
		if rest, ok := strings.CutPrefix(l, "Pss:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n * 1024
		}
	}
	return 0
}

// processorTime returns the processor time of a process, from the scheduler's nanoseconds.
func processorTime(t testing.TB, pid int) (sum time.Duration) {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		if f := strings.Fields(string(text)); len(f) > 0 {
			n, _ := strconv.ParseInt(f[0], 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}

// BenchmarkCrashes measures two times while 500 vassals crash as often as the backoff permits:
// how long an event waits for the loop, from the emperor's own metrics, and how long a
// question takes over the control socket, including the list of all vassals.
func BenchmarkCrashes(b *testing.B) {
	const vassals = 500
	w := newWorld(b)
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), "exec-as-root = exit 1", serves)
	}
	w.vassal("steady.ini", serves)
	for b.Loop() {
		e := w.start("--runtime-dir", w.path("run"), "--metrics", w.path("metrics.sock"), "--log-level", "error", allNamespaces)
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.path("run/control.sock"))
		}
		client := http.Client{Transport: &http.Transport{DialContext: dial}}
		ask := func() (int, error) {
			answer, err := client.Post("http://emperor/v1/vassals/steady.ini/reset", "", nil)
			if err != nil {
				return 0, err
			}
			return answer.StatusCode, answer.Body.Close()
		}
		eventually(b, "the emperor answers", func() bool { code, err := ask(); return err == nil && code == http.StatusOK })
		var took []time.Duration
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			begin := time.Now()
			if code, err := ask(); err != nil || code != http.StatusOK {
				b.Fatal(code, err)
			}
			took = append(took, time.Since(begin))
		}
		numbers := w.run("curl -sS --unix-socket " + w.path("metrics.sock") + " http://emperor/metrics")
		e.stop(syscall.SIGTERM)
		b.ReportMetric(percentile(b, numbers, "emperor_loop_latency_seconds", 0.99)*1000, "ms-loop-p99-below")
		b.Logf("exits: %v, events waited: %s", sample(numbers, `emperor_vassal_exits_total{cause="failed"}`), numbersOf(numbers, "emperor_loop_latency_seconds"))
		slices.Sort(took)
		b.ReportMetric(milliseconds(took[len(took)/2]), "ms-question-p50")
		b.ReportMetric(milliseconds(took[len(took)*99/100]), "ms-question-p99")
	}
	b.ReportMetric(0, "ns/op")
}

// sample returns the value of a series.
func sample(text, series string) float64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return 0
}

// percentile returns the upper end of the histogram bucket that contains a percentile.
func percentile(b *testing.B, text, name string, part float64) float64 {
	all := sample(text, name+"_count")
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+`_bucket{le="`)
		if !ok {
			continue
		}
		end, count, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
		if n, err := strconv.ParseFloat(count, 64); err == nil && n >= part*all {
			bound, _ := strconv.ParseFloat(end, 64)
			return bound
		}
	}
	b.Fatalf("there is no %s in %s", name, text)
	return 0
}

// numbersOf returns the lines of a histogram in one line.
func numbersOf(text, name string) string {
	var list []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			list = append(list, strings.TrimSpace(rest))
		}
	}
	return strings.Join(list, ", ")
}
