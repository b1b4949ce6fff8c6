// Package metrics answers one question: how do the vassals of this emperor do, in
// numbers over time? It speaks to Prometheus.
package metrics

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// Emperor is the measured emperor; emperor.Emperor implements it.
type Emperor interface {
	Records(ctx context.Context) ([]emperor.Record, error)
	Progress(ctx context.Context) (emperor.Progress, error)
}

const (
	// pulse is the interval of measuring the loop's latency.
	pulse = 100 * time.Millisecond
	// patience is how long an answer may take.
	patience = 10 * time.Second
)

// Metrics are all metrics. Make them with New. A nil Metrics records nothing.
type Metrics struct {
	meter    *control.Meter
	registry *prometheus.Registry

	exits                                *prometheus.CounterVec
	restarts, reloadFailures             prometheus.Counter
	launch, ready, reload, hook, latency *prometheus.HistogramVec

	mu    sync.Mutex
	since map[string]time.Time // when a vassal entered Launching or Reloading
	exit  map[string]string    // cause of the last exit of each vassal
}

// New makes metrics; m measures vassals. Others are served with them: an error is about one
// whose names are taken.
func New(m *control.Meter, others ...prometheus.Collector) (*Metrics, error) {
	seconds := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "emperor", Name: name, Help: help, Buckets: buckets}, labels)
	}
	latencies := []float64{1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, .1, .5, 1, 5}
	buckets := prometheus.ExponentialBuckets(0.001, 2.5, 12) // 1 ms to 24 s
	x := &Metrics{
		meter: m, registry: prometheus.NewRegistry(), since: map[string]time.Time{}, exit: map[string]string{},
		exits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "emperor", Name: "vassal_exits_total", Help: "Generations of vassals that ended, by cause.",
		}, []string{"cause"}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "emperor", Name: "vassal_restarts_total", Help: "Launches of vassals after their first.",
		}),
		reloadFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "emperor", Name: "reload_failures_total", Help: "Reloads that failed.",
		}),
		launch:  seconds("launch_duration_seconds", "From the first hook until a vassal has its order.", buckets),
		ready:   seconds("ready_duration_seconds", "From a vassal's order until it accepts requests.", buckets),
		reload:  seconds("reload_duration_seconds", "From the request until the end of a reload.", buckets, "result"),
		hook:    seconds("hook_duration_seconds", "Hooks that have run, in the emperor and in vassals.", buckets, "phase", "result"),
		latency: seconds("loop_latency_seconds", "How long an event waits for the emperor.", latencies),
	}
	for _, cause := range causes {
		x.exits.WithLabelValues(cause)
	}
	x.registry.MustRegister(x.exits, x.restarts, x.reloadFailures, x.launch, x.ready, x.reload, x.hook, x.latency,
		build(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range others {
		if err := x.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// Describe sends the descriptions of all metrics, as lists of them need.
func (x *Metrics) Describe(out chan<- *prometheus.Desc) {
	x.registry.Describe(out)
	(&vassals{}).Describe(out)
}

// build is the metric of the running program: always 1, its labels are the information.
func build() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "emperor", Name: "build_info", Help: "The running emperor, by version, commit and Go version.",
		ConstLabels: prometheus.Labels{"version": version.Number, "commit": version.Commit(), "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

// The causes of an exit.
const (
	causeStopped = "stopped" // it was asked to
	causeKilled  = "killed"  // it was asked to, and did not
	causeCursed  = "cursed"
	causeMemory  = "memory" // by the OOM killer
	causeSignal  = "signal"
	causeFailed  = "failed"
	causeEnded   = "ended" // by itself, with success
	causeLaunch  = "launch-failed"
)

var causes = []string{causeStopped, causeKilled, causeCursed, causeMemory, causeSignal, causeFailed, causeEnded, causeLaunch}

// Told records a transition.
func (x *Metrics) Told(t *emperor.Transition) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	name := t.Record.Name
	since, known := x.since[name]
	took := t.Time.Sub(since).Seconds()
	delete(x.since, name)
	switch t.To {
	case emperor.Launching:
		x.since[name] = t.Time
		if t.Record.Launches > 1 {
			x.restarts.Inc()
		}
	case emperor.Reloading:
		x.since[name] = t.Time
	case emperor.Starting:
		if known {
			x.launch.WithLabelValues().Observe(took)
		}
		x.since[name] = t.Time
	case emperor.Running:
		x.running(t, took, known)
	case emperor.Reverting:
		x.reloadFailures.Inc()
	case emperor.Clearing:
		x.ended(name, cause(t))
	case emperor.Settled:
		if t.From == emperor.Launching {
			x.ended(name, causeLaunch)
		}
	case emperor.Gone:
		delete(x.exit, name)
	}
}

func (x *Metrics) ended(name, cause string) {
	x.exits.WithLabelValues(cause).Inc()
	x.exit[name] = cause
}

// lastExits returns the causes of the last exits, by vassal.
func (x *Metrics) lastExits() map[string]string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.exit)
}

func (x *Metrics) running(t *emperor.Transition, took float64, known bool) {
	switch {
	case !known:
	case t.From == emperor.Reloading && t.Record.ReloadError != "":
		x.reloadFailures.Inc()
		x.reload.WithLabelValues("failed").Observe(took)
	case t.From == emperor.Reloading:
		x.reload.WithLabelValues("ok").Observe(took)
	case t.From == emperor.Starting:
		x.ready.WithLabelValues().Observe(took)
	}
}

func cause(t *emperor.Transition) string {
	switch t.From {
	case emperor.Stopping:
		if t.Record.ExitKilled {
			return causeKilled
		}
		return causeStopped
	case emperor.Killing:
		return causeKilled
	case emperor.Cursed:
		return causeCursed
	}
	switch {
	case t.Record.ExitOOM > 0:
		return causeMemory
	case strings.HasPrefix(t.Record.Exit, "signal"):
		return causeSignal
	case t.Record.Exit == "exit status 0":
		return causeEnded
	}
	return causeFailed
}

// Hook records the end of a hook.
func (x *Metrics) Hook(r hooks.Result) {
	if x == nil {
		return
	}
	result := "ok"
	if r.Exit != "" {
		result = "failed"
	}
	x.hook.WithLabelValues(string(r.Phase), result).Observe(r.Took.Seconds())
}

// Serve answers Prometheus on l until ctx ends, with the state of an emperor, and measures the
// latency of its loop. It closes l. Beyond 256 connections a new one closes the oldest.
func (x *Metrics) Serve(ctx context.Context, e Emperor, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var measuring sync.WaitGroup
	measuring.Go(func() { x.listen(ctx, e) })
	defer measuring.Wait()
	defer cancel()
	state := prometheus.NewRegistry()
	state.MustRegister(&vassals{e, x.meter, x.lastExits})
	h := &http.Server{
		Handler: http.TimeoutHandler(promhttp.HandlerFor(prometheus.Gatherers{x.registry, state}, promhttp.HandlerOpts{MaxRequestsInFlight: 2}),
			patience, "too slow"),
		// Silent clients are disconnected.
		ReadTimeout: patience, WriteTimeout: 2 * patience, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	if err := h.Serve(control.LimitConnections(l)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (x *Metrics) listen(ctx context.Context, e Emperor) {
	ticker := time.NewTicker(pulse)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			begin := time.Now()
			if _, err := e.Progress(ctx); err == nil {
				x.latency.WithLabelValues().Observe(time.Since(begin).Seconds())
			}
		}
	}
}
