package metrics

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// maxVassals is how many vassals have series of their own, the first ones by name. All others
// are in the sums.
const maxVassals = 1000

// vassals collects the current values.
type vassals struct {
	emperor   Emperor
	meter     *control.Meter
	lastExits func() map[string]string
}

func about(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("emperor_"+name, help, labels, nil)
}

var (
	states     = about("vassals", "Vassals by state.", "state")
	unreported = about("vassals_without_series", "Vassals beyond the ones with series of their own.")
	state      = about("vassal_state", "1 for the current state of a vassal.", "vassal", "state")
	faulty     = about("vassal_faulty", "1 while the newest file of a vassal has a mistake, or its last reload failed.", "vassal")
	started    = about("vassal_start_time_seconds", "Since when a running vassal accepts requests, in seconds since 1970.", "vassal")
	exited     = about("vassal_last_exit_time_seconds", "When the last process of a vassal ended, by cause, in seconds since 1970.", "vassal", "cause")
	memory     = about("vassal_memory_bytes", "Memory of a vassal's processes.", "vassal")
	memoryMax  = about("vassal_memory_limit_bytes", "Limit of the memory of a vassal's cgroup.", "vassal")
	tasks      = about("vassal_tasks", "Processes and threads of a vassal's cgroup.", "vassal")
	tasksMax   = about("vassal_tasks_limit", "Limit of the processes and threads of a vassal's cgroup.", "vassal")
	oomKills   = about("vassal_oom_kills_total", "Processes of a vassal's generation that the OOM killer has killed.", "vassal")
	received   = about("vassal_network_receive_bytes_total", "Bytes that a vassal's generation has received over its link.", "vassal")
	sent       = about("vassal_network_transmit_bytes_total", "Bytes that a vassal's generation has sent over its link.", "vassal")
	packetsIn  = about("vassal_network_receive_packets_total", "Packets that a vassal's generation has received over its link.", "vassal")
	packetsOut = about("vassal_network_transmit_packets_total", "Packets that a vassal's generation has sent over its link.", "vassal")
	cpu        = about("vassal_cpu_seconds_total", "Processor time of a vassal's generation.", "vassal")
	launches   = about("vassal_launches_total", "Launches of a vassal.", "vassal")
	limitHits  = about("vassal_limit_hits_total", "How often a vassal's generation met a limit, by option.", "vassal", "limit")
	deaths     = about("vassal_worker_deaths_total", "Workers of a vassal's generation that died.", "vassal")
)

// Describe implements prometheus.Collector.
func (x *vassals) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		states, unreported, state, faulty, started, exited, memory, memoryMax, tasks, tasksMax, oomKills, received, sent, packetsIn, packetsOut, cpu, limitHits,
		launches, deaths,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (x *vassals) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	records, err := x.emperor.Records(ctx)
	if err != nil {
		return
	}
	counts := map[emperor.State]int{}
	for _, s := range emperor.States() {
		counts[s] = 0
	}
	exits, links := x.lastExits(), namespaces.LinkCounters()
	for i, r := range records {
		counts[r.State]++
		if i < maxVassals {
			x.series(out, r, exits[r.Name], links)
		}
	}
	for s, n := range counts {
		out <- prometheus.MustNewConstMetric(states, prometheus.GaugeValue, float64(n), string(s))
	}
	out <- prometheus.MustNewConstMetric(unreported, prometheus.GaugeValue, float64(max(0, len(records)-maxVassals)))
}

// series sends the series of one vassal. cause is the cause of its last exit; empty: none. links are the counters
// of the host's interfaces.
func (x *vassals) series(out chan<- prometheus.Metric, r emperor.Record, cause string, links map[string]namespaces.Counters) {
	name := valid(r.Name)
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, append([]string{name}, labels...)...)
	}
	used := x.meter.Of(r.PID).Usage
	sendUse(used, send)
	if r.Network != nil {
		if c, ok := links[r.Network.HostInterface]; ok { // the host sends the bytes that the vassal receives
			send(received, prometheus.CounterValue, float64(c.SentBytes))
			send(sent, prometheus.CounterValue, float64(c.ReceivedBytes))
			send(packetsIn, prometheus.CounterValue, float64(c.SentPackets))
			send(packetsOut, prometheus.CounterValue, float64(c.ReceivedPackets))
		}
	}
	send(memory, prometheus.GaugeValue, float64(used.Memory))
	send(cpu, prometheus.CounterValue, used.CPU)
	for limit, n := range used.LimitHits {
		send(limitHits, prometheus.CounterValue, float64(n), limit)
	}
	send(launches, prometheus.CounterValue, float64(r.Launches))
	send(deaths, prometheus.CounterValue, float64(died(r)))
	send(state, prometheus.GaugeValue, 1, string(r.State))
	wrong := 0.0
	if r.Fault != "" || r.ReloadError != "" {
		wrong = 1
	}
	send(faulty, prometheus.GaugeValue, wrong)
	if r.PID != 0 && !r.Ready.IsZero() {
		send(started, prometheus.GaugeValue, seconds(r.Ready))
	}
	if cause != "" && !r.Exited.IsZero() {
		send(exited, prometheus.GaugeValue, seconds(r.Exited), cause)
	}
}

// sendUse sends the limits of a vassal's cgroup and the use against them, where there are any.
func sendUse(u control.Usage, send func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string)) {
	for d, value := range map[*prometheus.Desc]uint64{memoryMax: u.MemoryMax, tasks: u.Tasks, tasksMax: u.TasksMax} {
		if value > 0 {
			send(d, prometheus.GaugeValue, float64(value))
		}
	}
	if u.OOMKills != nil {
		send(oomKills, prometheus.CounterValue, float64(*u.OOMKills))
	}
}

// seconds converts a time to seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func died(r emperor.Record) int {
	if r.WorkerDeaths == nil {
		return 0
	}
	return r.WorkerDeaths.Total
}

// valid converts the name of a file to a valid label, a different one for each name.
func valid(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return strconv.Quote(name)
}
