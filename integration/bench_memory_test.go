//go:build linux

package integration

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkMemory measures the memory of each of a hundred idle vassals with the built-in
// server, as proportional set sizes, and the memory of uWSGI's master and worker for the same
// file.
func BenchmarkMemory(b *testing.B) {
	const vassals = 100
	w := newWorld(b)
	for i := range vassals {
		name := "v" + strconv.Itoa(i)
		w.vassal(name+".ini", "http-socket = "+w.path("s/"+name), "static-map = /=/srv", "uid = 4001", "gid = 4001", "master = true")
	}
	for b.Loop() {
		ours := w.weigh(w.inside(program("emperor"), allNamespaces, w.vassals), "-> running", vassals, syscall.SIGTERM)
		b.ReportMetric(ours["vassal"]/vassals, "kB/master")
		b.ReportMetric(ours["vassal-server"]/vassals, "kB/server")
		path, err := exec.LookPath("uwsgi")
		if err != nil {
			b.Log("there is no uwsgi to compare with")
			continue
		}
		theirs := w.weigh(w.inside(path, "--emperor", w.vassals, allNamespaces), "is ready to accept requests", vassals, syscall.SIGINT)
		for _, sum := range theirs { // one program under several names
			b.ReportMetric(sum/vassals, "kB/uwsgi-master+worker")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// weigh runs an emperor until the given number of vassals is ready, and returns the memory of
// the processes below it, in kB, by the name of their program.
func (w *world) weigh(cmd *exec.Cmd, ready string, vassals int, stop syscall.Signal) map[string]float64 {
	w.t.Helper()
	log := w.begin(cmd)
	defer log.Close()
	all := make(chan struct{})
	go func() {
		for in, left := bufio.NewScanner(log), vassals; in.Scan(); {
			if strings.Contains(in.Text(), ready) {
				if left--; left == 0 {
					close(all)
				}
			}
		}
	}()
	select {
	case <-all:
	case <-time.After(3 * patience):
		w.t.Errorf("%s did not say %q of all", cmd.Path, ready)
	}
	time.Sleep(3 * time.Second) // work that a start leaves for later
	sums := map[string]float64{}
	for _, pid := range children(cmd.Process.Pid) {
		for _, p := range append([]int{pid}, children(pid)...) {
			exe, _ := os.Readlink("/proc/" + strconv.Itoa(p) + "/exe")
			sums[filepath.Base(exe)] += float64(proportional(p)) / 1024
		}
	}
	_ = cmd.Process.Signal(stop)
	_ = cmd.Wait()
	eventually(w.t, "all of it is gone", func() bool { return len(w.processes()) == 0 })
	return sums
}
