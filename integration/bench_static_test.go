//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// staticRounds is how often each server is measured, in turn.
const staticRounds = 5

// BenchmarkStatic compares the built-in server with nginx: requests per second for a file, with
// one processor for the server and another for the clients, on 16 connections that stay open.
// Neither logs its requests, except in the row with the log.
func BenchmarkStatic(b *testing.B) {
	for _, program := range []string{"nginx", "wrk", "taskset"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Skipf("there is no %s to measure with", program)
		}
	}
	w := newWorld(b)
	w.run("mkdir -p " + w.path("www") + " && chmod 755 " + w.path("www"))
	w.write("www/1k.html", strings.Repeat("0123456789abcde\n", 64))
	w.write("www/10m.bin", strings.Repeat("0123456789abcde\n", 10<<20/16))
	before := time.Now().Add(-time.Minute) // a file that has just changed is not held in memory
	for _, name := range []string{"www/1k.html", "www/10m.bin"} {
		if err := os.Chtimes(w.path(name), before, before); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(2100 * time.Millisecond)
	w.write("nginx.conf", fmt.Sprintf(`
worker_processes 1; daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log; user root;
events { worker_connections 1024; }
http { sendfile on; access_log off; keepalive_requests 1000000000; include /etc/nginx/mime.types; server { listen 127.0.0.1:7501; root %[1]s/www; } }
`, w.path("")))
	for _, m := range []struct {
		name, file string
		ours       []string
	}{
		{"1kB", "1k.html", []string{"--disable-logging"}},
		{"10MB", "10m.bin", []string{"--disable-logging"}},
		{"1kB, logged", "1k.html", nil},
	} {
		b.Run(m.name, func(b *testing.B) {
			ours := append([]string{program("vassal-server"), "--http-socket", "127.0.0.1:7502", "--static-map", "/=" + w.path("www")}, m.ours...)
			w.measureBoth(b, staticRounds, pressedServer{"ours", ours, "http://127.0.0.1:7502/" + m.file},
				pressedServer{"nginx", []string{"nginx", "-c", w.path("nginx.conf")}, "http://127.0.0.1:7501/" + m.file})
		})
	}
}

// pressedServer is a server that is measured at a URL.
type pressedServer struct {
	name string
	args []string
	url  string
}

// measureBoth measures two servers in turn, each on one processor, and reports the requests per second, the 99th
// percentiles of their times, and the ratio of the first server to the second.
func (w *world) measureBoth(b *testing.B, rounds int, servers ...pressedServer) {
	b.Helper()
	for b.Loop() {
		rates, tails := map[string][]float64{}, map[string][]float64{}
		for range rounds {
			for _, s := range servers {
				rate, tail := w.pressed(b, w.inside("taskset", append([]string{"-c", "0"}, s.args...)...), s.url)
				rates[s.name], tails[s.name] = append(rates[s.name], rate), append(tails[s.name], tail)
			}
		}
		var ratios []float64
		for i := range rounds {
			ratios = append(ratios, rates[servers[0].name][i]/rates[servers[1].name][i])
		}
		for _, s := range servers {
			b.ReportMetric(median(rates[s.name]), s.name+"/s")
			b.ReportMetric(median(tails[s.name]), s.name+"-p99-ms")
		}
		b.ReportMetric(slices.Min(ratios), "ratio-min")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Max(ratios), "ratio-max")
	}
	b.ReportMetric(0, "ns/op")
}

// pressed runs a server, lets wrk send requests to it for 3 seconds, and returns the requests
// per second and the 99th percentile of their times, in milliseconds.
func (w *world) pressed(b *testing.B, server *exec.Cmd, url string) (rate, tail float64) {
	b.Helper()
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()
	eventually(b, "the server answers", func() bool { return w.inside("curl", "-sfo/dev/null", url).Run() == nil })
	out := w.run("taskset -c 1 wrk -t1 -c16 -d3s --latency " + url)
	if strings.Contains(out, "Non-2xx") || strings.Contains(out, "Socket errors") {
		b.Fatal(out)
	}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "Requests/sec:":
			rate, _ = strconv.ParseFloat(words[1], 64)
		case len(words) == 2 && words[0] == "99%":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				b.Fatal(err)
			}
			tail = milliseconds(d)
		}
	}
	if rate == 0 {
		b.Fatal(out)
	}
	return rate, tail
}
