//go:build linux

package integration

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rounds is the number of starts of each of the two, in turn; the median counts.
const rounds = 5

// BenchmarkStart measures the time from the start of an emperor until all of its vassals are
// ready, each in five namespaces and with a socket and files to serve, for ours and for
// uWSGI's with the same files.
func BenchmarkStart(b *testing.B) {
	for _, vassals := range []int{100, 1000} {
		b.Run(fmt.Sprintf("vassals=%d", vassals), func(b *testing.B) {
			w := newWorld(b)
			for i := range vassals {
				w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = :8080", "static-map = /=/srv", "uid = 4001", "gid = 4001")
			}
			for b.Loop() {
				var ours, theirs []time.Duration
				for range rounds {
					ours = append(ours, w.untilReady(w.inside(program("emperor"), allNamespaces, w.vassals), "-> running", vassals, syscall.SIGTERM))
					if path, err := exec.LookPath("uwsgi"); err == nil {
						theirs = append(theirs, w.untilReady(w.inside(path, "--emperor", w.vassals, allNamespaces), "is ready to accept requests", vassals, syscall.SIGINT))
					}
				}
				var ratios []float64
				for i := range theirs {
					ratios = append(ratios, milliseconds(ours[i])/milliseconds(theirs[i]))
				}
				b.ReportMetric(milliseconds(median(ours))/float64(vassals), "ours-ms/vassal")
				if theirs == nil {
					b.Log("there is no uwsgi to compare with")
					continue
				}
				b.ReportMetric(milliseconds(median(theirs))/float64(vassals), "uwsgi-ms/vassal")
				b.ReportMetric(slices.Min(ratios), "ratio-min")
				b.ReportMetric(median(ratios), "ratio")
				b.ReportMetric(slices.Max(ratios), "ratio-max")
			}
			b.ReportMetric(0, "ns/op") // has no meaning here
		})
	}
}

// begin starts an emperor and returns its log, which the caller closes.
func (w *world) begin(cmd *exec.Cmd) *os.File {
	w.t.Helper()
	log, write, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	defer write.Close()
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		log.Close()
		w.t.Fatal(err)
	}
	return log
}

// untilReady starts an emperor and returns the time until its log reports the given number of
// ready vassals. Then it stops the emperor.
func (w *world) untilReady(cmd *exec.Cmd, ready string, vassals int, stop syscall.Signal) time.Duration {
	w.t.Helper()
	begin := time.Now()
	log := w.begin(cmd)
	defer log.Close()
	_ = log.SetReadDeadline(time.Now().Add(2 * patience))
	var took time.Duration
	for in, left := bufio.NewScanner(log), vassals; in.Scan(); {
		if !strings.Contains(in.Text(), ready) {
			continue
		}
		if left--; left == 0 {
			took = time.Since(begin)
			_ = cmd.Process.Signal(stop)
		}
	}
	if took == 0 {
		_ = cmd.Process.Kill()
		w.t.Errorf("%s did not say %q of all", cmd.Path, ready)
	}
	_ = cmd.Wait()
	eventually(w.t, "all of it is gone", func() bool { return len(w.processes()) == 0 })
	return took
}

// BenchmarkDrop measures the time from the rename of a file into the directory until the
// vassal's program has been executed, in five namespaces, and until it runs, with an idle
// emperor and one vassal at a time.
func BenchmarkDrop(b *testing.B) {
	for _, kind := range []struct {
		name    string
		options []string
	}{
		{"command", []string{serves}},
		{"static", []string{"http-socket = :8080", "static-map = /=/srv", "uid = 4001", "gid = 4001"}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			w := newWorld(b)
			e := w.start(allNamespaces, "--emperor-change-pause", "0")
			e.await("", "is watching")
			w.write("waiting", ini(kind.options...))
			var executed, running []time.Duration
			for b.Loop() {
				for range 25 {
					if err := os.Link(w.path("waiting"), w.path("next")); err != nil {
						b.Fatal(err)
					}
					begin := time.Now()
					if err := os.Rename(w.path("next"), filepath.Join(w.vassals, "a.ini")); err != nil {
						b.Fatal(err)
					}
					executed = append(executed, e.await("a.ini", "launching -> starting").Time.Sub(begin))
					running = append(running, e.await("a.ini", "-> running").Time.Sub(begin))
					e.remove("a.ini")
					e.gone("a.ini")
					time.Sleep(50 * time.Millisecond) // nothing has changed for a while
				}
			}
			b.ReportMetric(milliseconds(median(executed)), "ms-to-exec")
			b.ReportMetric(milliseconds(median(running)), "ms-to-running")
			b.ReportMetric(milliseconds(slices.Max(running)), "ms-to-running-at-worst")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median[T cmp.Ordered](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
