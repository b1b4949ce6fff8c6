//go:build linux

package integration

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// makesLink is a hook that makes a link into the network of a vassal.
const makesLink = "ip link add h$UWSGI_VASSAL_PID type veth peer name in0 netns $UWSGI_VASSAL_PID"

// needVeth skips a benchmark on a machine without links of that kind.
func needVeth(b *testing.B, w *world) {
	b.Helper()
	if out, err := w.inside("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1").CombinedOutput(); err != nil {
		b.Skipf("no veth links can be made here: %s", out)
	}
	w.run("ip link delete probe0")
}

// BenchmarkHooks measures the time until 100 vassals are ready, each with one short hook of
// the emperor: with the hooks of one vassal at a time, of four, and under uWSGI's Emperor,
// whose one loop runs them.
func BenchmarkHooks(b *testing.B) {
	const vassals = 100
	for _, hook := range []struct{ name, line string }{{"true", "true"}, {"link", makesLink}} {
		b.Run(hook.name, func(b *testing.B) {
			w := newWorld(b)
			needVeth(b, w)
			for i := range vassals {
				w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = :8080", "static-map = /=/srv", "uid = 4001", "gid = 4001")
			}
			for b.Loop() {
				took := map[string][]time.Duration{}
				measure := func(name string, cmd *exec.Cmd, ready string, stop syscall.Signal) {
					took[name] = append(took[name], w.untilReady(cmd, ready, vassals, stop))
				}
				for range rounds {
					for _, c := range contenders(b) {
						if c.name != "ours" {
							measure(c.name, c.command(w, "--exec-as-emperor", hook.line), c.ready, c.stop)
							continue
						}
						for _, n := range []string{"1", "4"} {
							measure("ours-"+n, c.command(w, "--exec-as-emperor", hook.line, "--emperor-hook-concurrency", n), c.ready, c.stop)
						}
					}
				}
				for name, list := range took {
					b.ReportMetric(milliseconds(median(list)), name+"-ms")
					if theirs := took["uwsgi"]; theirs != nil && name != "uwsgi" {
						b.ReportMetric(milliseconds(median(list))/milliseconds(median(theirs)), "ratio-"+name)
					}
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRemove measures the end of many vassals at once: the threads of the emperor and
// the time, while the files of 96 are removed, and the time until 500 have stopped, each with
// a link that a hook has made.
func BenchmarkRemove(b *testing.B) {
	b.Run("vassals=96", func(b *testing.B) {
		const vassals = 96
		w := newWorld(b)
		needVeth(b, w)
		e := w.start(allNamespaces, "--exec-as-emperor", makesLink)
		e.await("", "is watching")
		for b.Loop() {
			for i := range vassals {
				w.vassal(fmt.Sprintf("v%d.ini", i), serves)
			}
			for i := range vassals {
				e.await(fmt.Sprintf("v%d.ini", i), "-> running")
			}
			before, begin := threads(b, e.pid()), time.Now()
			peak, over := make(chan int), make(chan bool)
			go func() {
				most := before
				for {
					select {
					case <-over:
						peak <- most
						return
					case <-time.After(time.Millisecond):
						most = max(most, threads(b, e.pid()))
					}
				}
			}()
			for i := range vassals {
				w.remove(fmt.Sprintf("v%d.ini", i))
			}
			for i := range vassals {
				e.gone(fmt.Sprintf("v%d.ini", i))
			}
			took := time.Since(begin)
			close(over)
			b.ReportMetric(float64(before), "threads-before")
			b.ReportMetric(float64(<-peak), "threads-at-most")
			b.ReportMetric(float64(threads(b, e.pid())), "threads-after")
			b.ReportMetric(took.Seconds(), "s-until-gone")
		}
		b.ReportMetric(0, "ns/op")
	})
	b.Run("vassals=500", func(b *testing.B) {
		const vassals = 500
		w := newWorld(b)
		needVeth(b, w)
		for i := range vassals {
			w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = :8080", "static-map = /=/srv", "uid = 4001", "gid = 4001")
		}
		for b.Loop() {
			stopped := map[string]float64{}
			for _, c := range contenders(b) {
				r := c.run(w, "--exec-as-emperor", makesLink)
				r.await(c.ready, vassals)
				stopped[c.name] = r.end().Seconds()
			}
			ratio(b, "s-until-stopped", stopped)
		}
		b.ReportMetric(0, "ns/op")
	})
}
