//go:build linux

package integration

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// underSiege runs a contender over vassals that serve a file on sockets in the world, sends
// requests to three of them while siege runs, and returns how many were served during that
// time and how many were lost until it had ended.
func underSiege(b *testing.B, w *world, c contender, vassals int, siege func(*contest)) (served, lost float64) {
	b.Helper()
	r := c.run(w)
	r.await(c.ready, vassals)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var counts []*tally
	var waits []func()
	for i := range 3 {
		count, wait := besiegeOnce(ctx, 2, w.path(fmt.Sprintf("s/v%d", i)))
		counts, waits = append(counts, count), append(waits, wait)
	}
	eventually(b, "requests are served", func() bool {
		for _, count := range counts {
			if count.served.Load() == 0 {
				return false
			}
		}
		return true
	})
	sum := func() (n float64) {
		for _, count := range counts {
			n += float64(count.served.Load())
		}
		return n
	}
	before := sum()
	siege(r)
	served = sum() - before
	cancel()
	for i, count := range counts {
		waits[i]()
		lost += float64(count.lost.Load())
		if count.why != nil {
			b.Logf("%s: %d requests lost, the first: %v", c.name, count.lost.Load(), count.why)
		}
	}
	r.end()
	return served, lost
}

// serving makes a world with vassals that serve a file.
func serving(b *testing.B, vassals int) *world {
	w := newWorld(b)
	w.run("mkdir " + w.path("www"))
	w.write("www/index.html", "served")
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = "+w.path(fmt.Sprintf("s/v%d", i)), "static-map = /="+w.path("www"), "plugin = notfound", "uid = 4001", "gid = 4001", "master = true")
	}
	return w
}

// BenchmarkReload measures the time from a SIGHUP to the emperor until all of 100 vassals
// have reloaded in place, and the requests to three of them that are lost.
func BenchmarkReload(b *testing.B) {
	const vassals = 100
	w := serving(b, vassals)
	for b.Loop() {
		took := map[string]float64{}
		for _, c := range contenders(b) {
			served, lost := underSiege(b, w, c, vassals, func(r *contest) {
				begin := time.Now()
				if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
					b.Fatal(err)
				}
				r.await(c.reloaded, vassals)
				took[c.name] = milliseconds(time.Since(begin))
			})
			b.ReportMetric(served, c.name+"-served")
			b.ReportMetric(lost, c.name+"-lost")
		}
		ratio(b, "ms", took)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStopped counts the requests to three vassals that are served and lost while
// SIGSTOP stops the emperor for 5 seconds, and nothing reads its log.
func BenchmarkStopped(b *testing.B) {
	w := serving(b, 3)
	for b.Loop() {
		for _, c := range contenders(b) {
			served, lost := underSiege(b, w, c, 3, func(r *contest) {
				for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
					if err := r.cmd.Process.Signal(s); err != nil {
						b.Fatal(err)
					}
					if s == syscall.SIGSTOP {
						time.Sleep(5 * time.Second)
					}
				}
			})
			b.ReportMetric(served, c.name+"-served")
			b.ReportMetric(lost, c.name+"-lost")
		}
	}
	b.ReportMetric(0, "ns/op")
}
