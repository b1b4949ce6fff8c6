package monitor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkDir measures a directory of 3000 files: the time from a change of one file to its
// report, and processor time and memory for a change of each.
func BenchmarkDir(b *testing.B) {
	const files = 3000
	dir := b.TempDir()
	file := func(n int) string { return filepath.Join(dir, fmt.Sprintf("%d.ini", n)) }
	change := func(n int, text string) {
		if err := os.WriteFile(file(n), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for n := range files {
		change(n, "0")
	}
	d, err := NewDir(dir, DirOptions{Log: discard})
	if err != nil {
		b.Fatal(err)
	}
	sets := make(chan Set, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx, func(s Set) { sets <- s }) }()
	until := func(is func(Set) bool) {
		for deadline := time.After(time.Minute); ; {
			select {
			case s := <-sets:
				if is(s) {
					return
				}
			case <-deadline:
				b.Fatal("a change was not reported")
			}
		}
	}
	until(func(s Set) bool { return len(s) == files })
	var latency, processor time.Duration
	for b.Loop() {
		text := fmt.Sprint(time.Now().UnixNano())
		begun := time.Now()
		change(7, text)
		until(func(s Set) bool {
			for _, c := range s {
				if c.Name == "7.ini" {
					return string(c.Data) == text
				}
			}
			return false
		})
		latency += time.Since(begun)
		for n := range files {
			change(n, text+"all")
		}
		writes := processorTime()
		until(func(s Set) bool {
			for _, c := range s {
				if string(c.Data) != text+"all" {
					return false
				}
			}
			return true
		})
		processor += processorTime() - writes
	}
	b.ReportMetric(float64(latency.Microseconds())/float64(b.N), "µs/change")
	b.ReportMetric(float64(processor.Microseconds())/float64(b.N)/files, "cpu-µs/file")
	cancel()
	<-ended
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
