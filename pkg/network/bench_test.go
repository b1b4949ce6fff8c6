package network

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/internal/testspace"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// BenchmarkStage measures the network of 300 vassals alone: connections, of which as many as the emperor's launches
// are made at a time, and then the end of all at once. It needs a network namespace of its own: unshare -n -m.
func BenchmarkStage(b *testing.B) {
	const vassals, launches = 300, 8
	if !testspace.Here(b) {
		b.Skip("EMPEROR_TEST_SPACE=BenchmarkStage, in unshare -n -m")
	}
	sweeper := namespaces.NewSweeper()
	defer sweeper.Close()
	s, err := Open(Config{Dir: b.TempDir() + "/network", Pool: prefixes("10.9.0.0/19", "fd09::/64"), Sweeper: sweeper, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		spaces := make(chan netns.NsHandle, vassals)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
			for range vassals {
				ns, _ := netns.New() // None after an error, which Up returns
				spaces <- ns
			}
			close(spaces)
		}()
		list := []netns.NsHandle{}
		for ns := range spaces {
			list = append(list, ns)
		}
		links := make([]*Link, vassals)
		b.StartTimer()
		measure(b, "up", vassals, func() {
			var group sync.WaitGroup
			for first := range launches {
				group.Go(func() {
					for i := first; i < vassals; i += launches {
						name := fmt.Sprintf("v%d.ini", i)
						r := Request{Vassal: name, Generation: 1, Wish: spec.Wish{Mode: spec.Mode{Kind: spec.Routed}}, Netns: list[i], Lost: func(string) {}}
						if links[i], err = s.Up(b.Context(), r); err != nil {
							b.Error(err)
						}
						list[i].Close()
					}
				})
			}
			group.Wait()
		})
		measure(b, "down", vassals, func() {
			var group sync.WaitGroup
			for _, l := range links {
				group.Go(func() {
					if err := s.Down(l); err != nil {
						b.Error(err)
					}
				})
			}
			group.Wait()
		})
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
}

// measure reports the time of a part, and the processor time of this process and of the kernel for it, of each vassal.
func measure(b *testing.B, what string, vassals int, part func()) {
	b.Helper()
	processor := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began, used := time.Now(), processor()
	part()
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(vassals) }
	b.ReportMetric(each(time.Since(began)), what+"-ms/vassal")
	b.ReportMetric(each(processor()-used), what+"-processor-ms/vassal")
}
