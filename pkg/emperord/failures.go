package emperord

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// The actors that answer clients, by their names in metrics.
const (
	actorControl = "control"
	actorStats   = "stats"
	actorMetrics = "metrics"
	actorWeb     = "web"
)

// failures counts failures of the actors that answer clients: a service that ended, and each attempt to
// bind its socket again that failed. It is a prometheus.Collector.
type failures struct{ control, stats, metrics, web atomic.Uint64 }

func (f *failures) of(actor string) *atomic.Uint64 {
	return map[string]*atomic.Uint64{actorControl: &f.control, actorStats: &f.stats, actorMetrics: &f.metrics, actorWeb: &f.web}[actor]
}

// counts returns the failures by actor, without actors that have never failed.
func (f *failures) counts() map[string]uint64 {
	list := map[string]uint64{}
	for _, actor := range []string{actorControl, actorStats, actorMetrics, actorWeb} {
		if n := f.of(actor).Load(); n > 0 {
			list[actor] = n
		}
	}
	return list
}

var actorFailures = prometheus.NewDesc("emperor_actor_failures_total",
	"How often a service for clients of the emperor ended by an error, or could not be started again.", []string{"actor"}, nil)

// Describe implements prometheus.Collector.
func (f *failures) Describe(c chan<- *prometheus.Desc) { c <- actorFailures }

// Collect implements prometheus.Collector.
func (f *failures) Collect(c chan<- prometheus.Metric) {
	for _, actor := range []string{actorControl, actorStats, actorMetrics, actorWeb} {
		c <- prometheus.MustNewConstMetric(actorFailures, prometheus.CounterValue, float64(f.of(actor).Load()), actor)
	}
}
