package emperord

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/pkg/network"
)

// networkMetrics measures the built-in network for Prometheus.
type networkMetrics struct {
	took  map[string]prometheus.Histogram // of Up and Down
	stage atomic.Pointer[network.Stage]   // nil: it is not open yet
}

func newNetworkMetrics() *networkMetrics {
	seconds := func(what, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "emperor", Name: "network_" + what + "_seconds", Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12), // to 12 s
		})
	}
	return &networkMetrics{took: map[string]prometheus.Histogram{
		network.WhatUp:   seconds(network.WhatUp, "Connecting a vassal to the network."),
		network.WhatDown: seconds(network.WhatDown, "Disconnecting a vassal from the network."),
	}}
}

func (m *networkMetrics) observe(what string, took time.Duration) {
	m.took[what].Observe(took.Seconds())
}

var (
	linksOwned = prometheus.NewDesc("emperor_network_links_owned", "Vassals that are connected.", nil, nil)
	spoofed    = prometheus.NewDesc("emperor_network_spoofed_packets_total",
		"Packets with forged sources that were dropped, since the policy was last set.", nil, nil)
	tableRestored = prometheus.NewDesc("emperor_network_table_restored_total",
		"How often the policy was set again after another program had deleted it.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m *networkMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, h := range m.took {
		h.Describe(c)
	}
	c <- linksOwned
	c <- spoofed
	c <- tableRestored
}

// Collect implements prometheus.Collector.
func (m *networkMetrics) Collect(c chan<- prometheus.Metric) {
	for _, h := range m.took {
		h.Collect(c)
	}
	stage := m.stage.Load()
	if stage == nil {
		return
	}
	s := stage.Stats()
	c <- prometheus.MustNewConstMetric(linksOwned, prometheus.GaugeValue, float64(s.Links))
	c <- prometheus.MustNewConstMetric(spoofed, prometheus.CounterValue, float64(s.Spoofed))
	c <- prometheus.MustNewConstMetric(tableRestored, prometheus.CounterValue, float64(s.Restored))
}
