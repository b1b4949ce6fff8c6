package metrics

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
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
	unreported = about("vassals_without_series", "Vassals beyond those that have series of their own.")
	state      = about("vassal_state", "1 for the current state of a vassal.", "vassal", "state")
	faulty     = about("vassal_faulty", "1 while the newest file of a vassal has a mistake, or its last reload failed.", "vassal")
	started    = about("vassal_start_time_seconds", "Since when a running vassal accepts requests, in seconds since 1970.", "vassal")
	exited     = about("vassal_last_exit_time_seconds", "When the last process of a vassal ended, by cause, in seconds since 1970.", "vassal", "cause")
	memory     = about("vassal_memory_bytes", "Memory of a vassal's processes.", "vassal")
	cpu        = about("vassal_cpu_seconds_total", "Processor time of a vassal's generation.", "vassal")
	launches   = about("vassal_launches_total", "Launches of a vassal.", "vassal")
	limitHits  = about("vassal_limit_hits_total", "How often a vassal's generation met a limit, by option.", "vassal", "limit")
	deaths     = about("vassal_worker_deaths_total", "Workers of a vassal's generation that died.", "vassal")
)

// Describe implements prometheus.Collector.
func (x *vassals) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{states, unreported, state, faulty, started, exited, memory, cpu, limitHits, launches, deaths} {
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
	exits := x.lastExits()
	for i, r := range records {
		counts[r.State]++
		if i < maxVassals {
			x.series(out, r, exits[r.Name])
		}
	}
	for s, n := range counts {
		out <- prometheus.MustNewConstMetric(states, prometheus.GaugeValue, float64(n), string(s))
	}
	out <- prometheus.MustNewConstMetric(unreported, prometheus.GaugeValue, float64(max(0, len(records)-maxVassals)))
}

// series sends the series of one vassal. cause is the cause of its last exit; empty: none.
func (x *vassals) series(out chan<- prometheus.Metric, r emperor.Record, cause string) {
	name := valid(r.Name)
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, append([]string{name}, labels...)...)
	}
	used := x.meter.Of(r.PID)
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
