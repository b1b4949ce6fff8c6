package metrics

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// still is an emperor without events.
type still []emperor.Record

func (s still) Records(context.Context) ([]emperor.Record, error) { return s, nil }
func (s still) Progress(context.Context) (emperor.Progress, error) {
	return emperor.Progress{Vassals: len(s)}, nil
}

// serve serves x until the end of the test and returns the address.
func serve(t *testing.T, e Emperor, more ...prometheus.Collector) (*Metrics, string) {
	t.Helper()
	x, err := New(&control.Meter{}, more...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- x.Serve(ctx, e, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return x, l.Addr().String()
}

func get(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %s: %s", err, answer.Status, text)
	}
	return string(text)
}

// Idle connections neither use descriptors without limit nor block other clients.
func TestACrowdOfConnections(t *testing.T) {
	_, address := serve(t, still{})
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before, n := open(), 600
	var crowd []net.Conn
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd = append(crowd, c)
	}
	if text := get(t, address); !strings.Contains(text, "emperor_vassals{") {
		t.Errorf("got %s", text)
	}
	if _, err := crowd[0].Read(make([]byte, 1)); err == nil {
		t.Error("the oldest is kept")
	}
	if took := open() - before - n; took > 300 {
		t.Errorf("%d connections take %d descriptors", n, took)
	}
}

func TestNumbers(t *testing.T) {
	e := still{
		{Name: "a.ini", State: emperor.Running},
		{Name: "b\xff.ini", State: emperor.BackingOff},
		{Name: "b\xfe.ini", State: emperor.BackingOff},
	}
	e[0].PID, e[0].Launches, e[0].WorkerDeaths = os.Getpid(), 3, &wire.Deaths{Total: 4}
	e[0].Ready, e[0].Exited = time.UnixMilli(1796000000250), time.UnixMilli(1796000000000)
	e[0].Network = &emperor.Attachment{HostInterface: "lo"}
	e[1].Fault = "b.ini:2: uid: no such user"
	x, address := serve(t, e, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mine"}, func() float64 { return 7 }))
	start := time.Now()
	at := func(ms int, from, to emperor.State, change func(*emperor.Record)) {
		tr := &emperor.Transition{Time: start.Add(time.Duration(ms) * time.Millisecond), From: from, To: to, Record: emperor.Record{Name: "a.ini"}}
		if change != nil {
			change(&tr.Record)
		}
		x.Told(tr)
	}
	at(0, emperor.Queued, emperor.Launching, nil)
	at(20, emperor.Launching, emperor.Starting, nil)
	at(50, emperor.Starting, emperor.Running, nil)
	at(60, emperor.Running, emperor.Reloading, nil)
	at(160, emperor.Reloading, emperor.Running, nil)
	at(200, emperor.Running, emperor.Reloading, nil)
	at(300, emperor.Reloading, emperor.Running, func(r *emperor.Record) { r.ReloadError = "no" })
	at(400, emperor.Running, emperor.Clearing, func(r *emperor.Record) { r.Exit = "signal: killed" })
	at(490, emperor.Queued, emperor.Launching, func(r *emperor.Record) { r.Name, r.Launches = "first.ini", 1 })
	at(500, emperor.Queued, emperor.Launching, func(r *emperor.Record) { r.Launches = 2 })
	at(501, emperor.Launching, emperor.Settled, func(r *emperor.Record) { r.Name = "first.ini" })
	x.Hook(hooks.Result{Phase: hooks.AsEmperor, Took: 30 * time.Millisecond})
	x.Hook(hooks.Result{Phase: hooks.AsEmperor, Exit: "exit status 1"})
	text := get(t, address)
	for _, want := range []string{
		`mine 7`, `emperor_build_info{`,
		`emperor_vassal_state{state="running",vassal="a.ini"} 1`, `emperor_vassal_faulty{vassal="a.ini"} 0`, `emperor_vassal_faulty{vassal="\"b\\xff.ini\""} 1`,
		`emperor_vassal_start_time_seconds{vassal="a.ini"} 1.79600000025e+09`, `emperor_vassal_last_exit_time_seconds{cause="signal",vassal="a.ini"} 1.796e+09`,
		`emperor_vassals{state="running"} 1`, `emperor_vassals{state="backoff"} 2`, `emperor_vassals{state="idle"} 0`,
		`emperor_vassal_launches_total{vassal="a.ini"} 3`, `emperor_vassal_worker_deaths_total{vassal="a.ini"} 4`, `emperor_vassal_memory_bytes{vassal="a.ini"} `,
		`emperor_vassal_network_receive_bytes_total{vassal="a.ini"} `, `emperor_vassal_network_transmit_packets_total{vassal="a.ini"} `,
		`emperor_vassal_exits_total{cause="signal"} 1`, `emperor_vassal_exits_total{cause="launch-failed"} 1`,
		`emperor_vassal_exits_total{cause="stopped"} 0`, `emperor_vassal_restarts_total 1`, `emperor_reload_failures_total 1`,
		`emperor_launch_duration_seconds_sum 0.02`, `emperor_ready_duration_seconds_sum 0.03`,
		`emperor_reload_duration_seconds_sum{result="ok"} 0.1`, `emperor_reload_duration_seconds_count{result="failed"} 1`,
		`emperor_hook_duration_seconds_count{phase="as-emperor",result="failed"} 1`,
		`emperor_hook_duration_seconds_sum{phase="as-emperor",result="ok"} 0.03`, `emperor_vassals_without_series 0`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

// The limits of a cgroup, and the use against them, are series where they are known.
func TestLimitSeries(t *testing.T) {
	sent := map[*prometheus.Desc]float64{}
	kills := 2
	for _, u := range []control.Usage{{}, {MemoryMax: 64 << 20, Tasks: 3, TasksMax: 300, OOMKills: &kills}} {
		sendUse(u, func(d *prometheus.Desc, _ prometheus.ValueType, value float64, _ ...string) { sent[d] += value })
	}
	if sent[memoryMax] != 64<<20 || sent[tasks] != 3 || sent[tasksMax] != 300 || sent[oomKills] != 2 || len(sent) != 4 {
		t.Errorf("%v", sent)
	}
}

// Names, units and help follow the conventions of Prometheus.
func TestConventions(t *testing.T) {
	r := emperor.Record{Name: "a.ini", State: emperor.Running}
	r.PID, r.Ready, r.Exited = os.Getpid(), time.Now(), time.Now()
	r.Network = &emperor.Attachment{HostInterface: "lo"}
	x, address := serve(t, still{r})
	x.Told(&emperor.Transition{Time: time.Now(), From: emperor.Running, To: emperor.Clearing, Record: emperor.Record{Name: "a.ini"}})
	problems, err := promlint.New(strings.NewReader(get(t, address))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	var e still
	for i := range maxVassals + 7 {
		e = append(e, emperor.Record{Name: fmt.Sprint(i), State: emperor.Idle})
	}
	_, address := serve(t, e)
	text := get(t, address)
	if n := strings.Count(text, "\nemperor_vassal_memory_bytes{"); n != maxVassals {
		t.Errorf("%d series, want %d", n, maxVassals)
	}
	for _, want := range []string{"emperor_vassals_without_series 7", fmt.Sprintf(`emperor_vassals{state="idle"} %d`, maxVassals+7)} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestCausesOfExits(t *testing.T) {
	starved := &emperor.Transition{From: emperor.Running, Record: emperor.Record{RecordedExit: emperor.RecordedExit{Exit: "exit status 1", ExitOOM: 1}}}
	if got := cause(starved); got != causeMemory {
		t.Errorf("of want of memory: %s", got)
	}
	if starved.From = emperor.Stopping; cause(starved) != causeStopped {
		t.Errorf("of want of memory while it stopped: %s", cause(starved))
	}
	for _, tt := range []struct {
		from       emperor.State
		exit, want string
	}{
		{emperor.Stopping, "exit status 1", causeStopped},
		{emperor.Killing, "signal: killed", causeKilled},
		{emperor.Cursed, "exit status 1", causeCursed},
		{emperor.Running, "signal: killed", causeSignal},
		{emperor.Starting, "exit status 1", causeFailed},
		{emperor.Running, "exit status 0", causeEnded},
	} {
		if got := cause(&emperor.Transition{From: tt.from, Record: emperor.Record{RecordedExit: emperor.RecordedExit{Exit: tt.exit}}}); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.from, tt.exit, got, tt.want)
		}
	}
}
