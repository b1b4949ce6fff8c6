//go:build linux

package integration

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each emperor starts all vassals execRounds times, in turn, unless execTime is over before that.
const (
	execRounds = 5
	execTime   = 100 * time.Second
)

// tells is a program that writes one byte to the named pipe of its argument and waits.
const tells = `
#include <fcntl.h>
#include <unistd.h>
int main(int n, char **v) { int f = open(v[1], O_WRONLY); if (f < 0 || write(f, "x", 1) != 1) return 1; close(f); for (;;) pause(); }
`

// BenchmarkExec measures the time from the start of an emperor until the programs of all its vassals
// run, each in five namespaces and in the place of its vassal, for ours and for uWSGI's, and the
// processor time of ours with all its processes, from its start to its end. One case has a hook inside, which needs
// the vassal program.
func BenchmarkExec(b *testing.B) {
	for _, c := range []struct {
		vassals int
		name    string
		more    []string
	}{{vassals: 100}, {vassals: 1000}, {vassals: 3000}, {1000, "hook", []string{"exec-as-root = true"}}} {
		vassals := c.vassals
		b.Run(fmt.Sprintf("vassals=%d%s", vassals, c.name), func(b *testing.B) {
			w := newWorld(b)
			fifo := w.startsPrograms(vassals, c.more...)
			for b.Loop() {
				took, used := w.execRounds(contenders(b), fifo, vassals)
				for name, list := range took {
					b.ReportMetric(milliseconds(median(slices.Clone(list)))/float64(vassals), name+"-ms/vassal")
				}
				b.ReportMetric(milliseconds(median(used))/float64(vassals), "ours-ms-cpu/vassal")
				var ratios []float64
				for i, theirs := range took["uwsgi"] {
					ratios = append(ratios, took["ours"][i].Seconds()/theirs.Seconds())
				}
				if len(ratios) > 0 {
					b.ReportMetric(float64(len(ratios)), "rounds")
					b.ReportMetric(slices.Min(ratios), "ratio-min")
					b.ReportMetric(slices.Max(ratios), "ratio-max")
					b.ReportMetric(median(ratios), "ratio")
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startsPrograms makes files of vassals whose programs write a byte to the returned named pipe.
func (w *world) startsPrograms(vassals int, more ...string) (fifo string) {
	w.t.Helper()
	program := w.compiled("tells", tells)
	fifo = w.path("running")
	if err := unix.Mkfifo(fifo, 0o622); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o622); err != nil {
		w.t.Fatal(err)
	}
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), append(slices.Clip(more), "uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = "+program+" "+fifo)...)
	}
	return fifo
}

// execRounds returns the times until all programs run, by contender, and the processor times of ours.
func (w *world) execRounds(of []contender, fifo string, vassals int) (took map[string][]time.Duration, used []time.Duration) {
	took = map[string][]time.Duration{}
	for begin := time.Now(); len(used) < execRounds && (len(used) == 0 || time.Since(begin) < execTime); {
		for _, c := range of {
			until, cpu := w.untilRunning(c, fifo, vassals)
			took[c.name] = append(took[c.name], until)
			if c.name == "ours" {
				used = append(used, cpu)
			}
		}
	}
	return took, used
}

// compiled returns the path of a C program.
func (w *world) compiled(name, text string) string {
	w.t.Helper()
	path := w.path(name)
	w.write(name+".c", text)
	if out, err := exec.Command("cc", "-O2", "-static", "-o", path, path+".c").CombinedOutput(); err != nil {
		w.t.Skipf("cannot compile the program: %v: %s", err, out)
	}
	return path
}

// untilRunning returns the time from the start of an emperor until so many programs have written a
// byte to a named pipe. It ends the emperor, and returns the processor time of it and of all processes
// that it has waited for.
func (w *world) untilRunning(c contender, fifo string, programs int) (took, used time.Duration) {
	w.t.Helper()
	told, err := os.OpenFile(fifo, os.O_RDWR, 0) // also a writer: there is no end of file
	if err != nil {
		w.t.Fatal(err)
	}
	defer told.Close()
	begin := time.Now()
	r := c.run(w)
	_ = told.SetReadDeadline(time.Now().Add(3 * patience))
	if _, err := io.CopyN(io.Discard, told, int64(programs)); err != nil {
		w.t.Errorf("%s did not start all: %v", c.name, err)
	}
	took = time.Since(begin)
	r.end()
	return took, r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
}
