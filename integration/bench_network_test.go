//go:build linux

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// metric returns the value of a metric without labels.
func metric(b *testing.B, text, name string) float64 {
	b.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		b.Fatalf("there is no %s", name)
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkNetwork measures the start and the stop of many vassals with the built-in network and
// without one, and the time of the network alone.
func BenchmarkNetwork(b *testing.B) {
	for _, vassals := range []int{100, 1000} {
		b.Run(fmt.Sprintf("vassals=%d", vassals), func(b *testing.B) {
			w := newWorld(b)
			needVeth(b, w)
			for i := range vassals {
				w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = :8080", "static-map = /=/srv", "uid = 4001", "gid = 4001")
			}
			for b.Loop() {
				for name, args := range map[string][]string{"none": {allNamespaces}, "routed": routedArgs} {
					begin := time.Now()
					e := w.start(append(args, "--metrics", "127.0.0.1:9120")...)
					for i := range vassals {
						e.await(fmt.Sprintf("v%d.ini", i), "-> running")
					}
					b.ReportMetric(milliseconds(time.Since(begin)), name+"-start-ms")
					if name == "routed" {
						text := w.run("curl -sS http://127.0.0.1:9120/metrics")
						b.ReportMetric(1000*metric(b, text, "emperor_network_up_seconds_sum")/metric(b, text, "emperor_network_up_seconds_count"), "up-ms/vassal")
					}
					begin = time.Now()
					e.stop(syscall.SIGTERM)
					b.ReportMetric(milliseconds(time.Since(begin)), name+"-stop-ms")
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkNetworkRespawn measures how late the first connections of a vassal that was killed are, at
// its same addresses of both families: from the host, whose clients try all the time, and from the vassal to the
// host. A packet that is lost costs its sender a second. The queue of the server has room for all tries that come before
// it runs: a full one loses packets, too.
func BenchmarkNetworkRespawn(b *testing.B) {
	const times = 80
	w := newWorld(b)
	needVeth(b, w)
	server := w.inside(program("vassal-server"), "--http-socket", "[::]:8081", "--static-map", "/="+w.path("s"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	const reach = "exec-as-user = curl -s -o /dev/null -w '%s has connected after %%%%{time_connect}' http://%s:8081/"
	w.vassal("a.ini", "http-socket = [::]:8080", "listen = 4096", "static-map = /=/srv", "uid = 4001", "gid = 4001",
		fmt.Sprintf(reach, "IPv4", "$UWSGI_VASSAL_GATEWAY"), fmt.Sprintf(reach, "IPv6", "[$UWSGI_VASSAL_GATEWAY6]"))
	e := w.start(append(routedArgs, "--emperor-backoff", "10ms", "--emperor-backoff-max", "10ms", "--emperor-network-to-host", "8081")...)
	pid := e.running("a.ini")
	addresses := w.attachment("a").Network.Addresses
	took := map[string][]time.Duration{}
	connected := regexp.MustCompile(`has connected after ([0-9.]+)`)
	toHost := func(family string) time.Duration {
		seconds, err := strconv.ParseFloat(connected.FindStringSubmatch(e.await("a.ini", family+" has connected after").raw)[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		return time.Duration(seconds * float64(time.Second))
	}
	for b.Loop() {
		clear(took)
		for range times {
			answers, ready := make([]chan time.Time, len(addresses)), make(chan struct{})
			for i, a := range addresses {
				answers[i] = make(chan time.Time, 1)
				go w.enterNet(func() { answers[i] <- firstAnswer(netip.AddrPortFrom(a, 8080).String(), ready) })
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
			pid = e.running("a.ini")
			since := time.Now()
			close(ready)
			for i, family := range []string{"IPv4", "IPv6"} {
				took["host-"+family] = append(took["host-"+family], (<-answers[i]).Sub(since))
				took["peer-"+family] = append(took["peer-"+family], toHost(family))
			}
		}
		for from, took := range took {
			late := slices.DeleteFunc(slices.Clone(took), func(d time.Duration) bool { return d <= 200*time.Millisecond })
			b.ReportMetric(milliseconds(median(slices.Clone(took))), from+"-ms-median")
			b.ReportMetric(milliseconds(slices.Max(took)), from+"-ms-at-worst")
			b.ReportMetric(float64(len(late)), from+"-over-200ms")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// firstAnswer returns when the first connection succeeds after ready is closed. A client tries each
// millisecond also before, so that one meets each moment of the old link and of the new one.
func firstAnswer(address string, ready <-chan struct{}) time.Time {
	for ; ; time.Sleep(time.Millisecond) {
		c, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			continue
		}
		c.Close()
		select {
		case <-ready:
			return time.Now()
		default:
		}
	}
}

// BenchmarkNetworkRestored measures the time from the kernel's event about the end of all tables of
// nftables to the one about the complete policy of 100 vassals.
func BenchmarkNetworkRestored(b *testing.B) {
	const vassals, times = 100, 20
	w := newWorld(b)
	needVeth(b, w)
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), serves, fmt.Sprintf("network-publish = %d:80", 20000+i))
	}
	e := w.start(routedArgs...)
	for i := range vassals {
		e.await(fmt.Sprintf("v%d.ini", i), "-> running")
	}
	var events *nl.NetlinkSocket
	w.enterNet(func() {
		var err error
		if events, err = nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES); err != nil {
			b.Fatal(err)
		}
	})
	defer events.Close()
	_ = events.SetReceiveBufferSize(16<<20, true)
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	_ = events.SetReceiveTimeout(&limit)
	until := func(kind uint16) time.Time { // the kernel has told about a message of nftables
		for {
			messages, _, err := events.Receive()
			if err != nil {
				b.Fatal(err)
			}
			for _, m := range messages {
				if m.Header.Type&0xff == kind {
					return time.Now()
				}
			}
		}
	}
	for b.Loop() {
		var took []time.Duration
		for range times {
			w.run("nft flush ruleset")
			gone := until(unix.NFT_MSG_DELTABLE)
			for range 2 { // of the end of the deletion, and of the new policy
				until(unix.NFT_MSG_NEWGEN)
			}
			took = append(took, time.Since(gone))
			if rules := w.run("nft list ruleset"); strings.Count(rules, "masquerade") == 0 || !strings.Contains(rules, " 20099 : ") {
				b.Fatalf("the policy is not complete:\n%s", rules)
			}
			e.await("", "it is set again")
		}
		b.ReportMetric(milliseconds(median(slices.Clone(took))), "ms-median")
		b.ReportMetric(milliseconds(slices.Max(took)), "ms-at-worst")
	}
	b.ReportMetric(0, "ns/op")
	e.stop(syscall.SIGTERM)
}

// BenchmarkNetworkRate measures the rates of a vassal with a limit of 40 and 10 Mbit/s, the second
// one also after the vassal has removed the limit at its end.
func BenchmarkNetworkRate(b *testing.B) {
	w := newWorld(b)
	needVeth(b, w)
	if err := os.WriteFile(w.path("s/large"), make([]byte, 10<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	w.vassal("a.ini", "http-socket = :8080", fmt.Sprintf(pages, w.path("s")), "network-limit = 40mbit/10mbit", "uid = 4001", "gid = 4001")
	e := w.start(append(routedArgs, "--emperor-network-to-host", "allow")...)
	pid, address := e.running("a.ini"), w.attachment("a").Network.Addresses[0]
	server := w.inside(program("vassal-server"), "--http-socket", "10.142.0.1:8080", "--static-map", "/="+w.path("s"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	rate := func(from int, at string) float64 { // after the burst that is permitted
		get := "curl -sSf --retry 5 --retry-connrefused -m 60 -o /dev/null http://" + at + ":8080/large"
		inNetwork(b, from, get+" -r 0-2999999")
		begin := time.Now()
		inNetwork(b, from, get)
		return 8 * (10 << 20) / 1e6 / time.Since(begin).Seconds()
	}
	for b.Loop() {
		b.ReportMetric(rate(pid, "10.142.0.1"), "mbit/s-down-of-40")
		b.ReportMetric(rate(w.holder.Process.Pid, address.String()), "mbit/s-up-of-10")
		inNetwork(b, pid, "tc qdisc delete dev eth0 root")
		b.ReportMetric(rate(w.holder.Process.Pid, address.String()), "mbit/s-up-of-10-removed")
	}
	b.ReportMetric(0, "ns/op")
	e.stop(syscall.SIGTERM)
}

// BenchmarkNetworkBusy measures 50 launches while other programs change the network of the host
// all the time, and the latency of the emperor's loop meanwhile; and 50 launches of vassals without a network
// (others), beside that loop and without it, as a baseline of the same run.
func BenchmarkNetworkBusy(b *testing.B) {
	const vassals = 50
	w := newWorld(b)
	needVeth(b, w)
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), serves)
	}
	none := []string{"--emperor-use-clone", "pid,uts,ipc,fs"}
	launches := func(name string, args []string) {
		begin := time.Now()
		e := w.start(append(args, "--metrics", "127.0.0.1:9120")...)
		for i := range vassals {
			e.await(fmt.Sprintf("v%d.ini", i), "-> running")
		}
		b.ReportMetric(milliseconds(time.Since(begin)), name+"-start-ms")
		text := w.run("curl -sS http://127.0.0.1:9120/metrics")
		if strings.HasPrefix(name, "routed") {
			b.ReportMetric(1000*metric(b, text, "emperor_network_up_seconds_sum")/vassals, name+"-up-ms/vassal")
		}
		count := metric(b, text, "emperor_loop_latency_seconds_count")
		b.ReportMetric(1000*metric(b, text, "emperor_loop_latency_seconds_sum")/count, name+"-loop-ms-mean")
		b.ReportMetric(count-metric(b, text, `emperor_loop_latency_seconds_bucket\{le="0.01"\}`), name+"-loop-over-10ms")
		e.stop(syscall.SIGTERM)
	}
	for b.Loop() {
		launches("others-idle", none)
		launches("routed-idle", routedArgs)
		beside := w.churnLinks()
		launches("others-busy", none)
		launches("routed-busy", routedArgs)
		beside()
	}
	b.ReportMetric(0, "ns/op")
}

// churnLinks makes and deletes links all the time, until end.
func (w *world) churnLinks() (end func()) {
	w.t.Helper()
	busy := w.inside("sh", "-c", "while :; do ip link add busy0 type veth peer name busy1; ip link delete busy0; done")
	busy.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := busy.Start(); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		_ = syscall.Kill(-busy.Process.Pid, syscall.SIGKILL)
		_ = busy.Wait()
		_ = w.inside("ip", "link", "delete", "busy0").Run() // the loop may have ended before its own delete
	}
}

// enterNet calls f on a thread in the network of the world. The thread comes back: the end of one
// would end the processes that it has started (PR_SET_PDEATHSIG).
func (w *world) enterNet(f func()) {
	w.t.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		w.t.Fatal(err)
	}
	defer home.Close()
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", w.holder.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	defer netns.Close()
	if err := unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET); err != nil {
		w.t.Fatal(err)
	}
	f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		w.t.Fatal(err) // the thread stays locked
	}
	runtime.UnlockOSThread()
}
